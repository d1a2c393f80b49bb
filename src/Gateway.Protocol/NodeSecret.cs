using System.Buffers;
using System.Diagnostics.CodeAnalysis;

namespace Gateway.Protocol;

/// <summary>
/// The node's secret, from which every device key is derived, as text: 64 hex digits and a line feed. Blanks and line ends around the
/// digits are ignored when reading. Pure text, and no error ever shows what it read. PROTOCOL.md, "Keys".
/// </summary>
public static class NodeSecret
{
    public const int SecretBytes = 32;

    /// <summary>Reads the text form into 32 new bytes.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, [NotNullWhen(true)] out byte[]? secret, [NotNullWhen(false)] out string? error)
    {
        var bytes = new byte[SecretBytes];
        if (!Hex32.TryParse(text.Trim(" \t\r\n"), bytes, out var what))
        {
            secret = null;
            error = $"a node secret is {what}";
            return false;
        }

        secret = bytes;
        error = null;
        return true;
    }

    /// <summary>64 lower-case hex digits and a line feed.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The secret is not 32 bytes long.</exception>
    public static string Format(ReadOnlySpan<byte> secret)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(secret.Length, SecretBytes);
        return Convert.ToHexStringLower(secret) + "\n";
    }
}

/// <summary>32 bytes as 64 hex digits of either case. The errors complete a sentence and never quote the digits.</summary>
internal static class Hex32
{
    private const int Digits = 64;

    public static bool TryParse(ReadOnlySpan<char> text, Span<byte> bytes, [NotNullWhen(false)] out string? error)
    {
        if (text.Length != Digits)
        {
            error = $"{Digits} hex digits; this has {text.Length} characters";
            return false;
        }

        if (Convert.FromHexString(text, bytes, out _, out _) != OperationStatus.Done)
        {
            error = $"{Digits} hex digits; this holds another character";
            return false;
        }

        error = null;
        return true;
    }
}
