using System.Buffers.Text;

namespace Gateway.Load.Foreign;

/// <summary>What a device is called: a prefix and its address in digits.</summary>
internal static class Utf8Name
{
    /// <summary>The longest prefix used here and the digits of a u64.</summary>
    public const int MaxBytes = 8 + 20;

    /// <summary>Writes the name into <paramref name="into"/>, at least <see cref="MaxBytes"/> long, and returns that part of it.</summary>
    public static ReadOnlySpan<byte> Of(ReadOnlySpan<byte> prefix, ulong address, Span<byte> into)
    {
        prefix.CopyTo(into);
        _ = Utf8Formatter.TryFormat(address, into[prefix.Length..], out var digits);
        return into[..(prefix.Length + digits)];
    }
}
