using System.Globalization;

namespace Gateway.Load.Devices;

internal enum MixKind
{
    /// <summary>Every message has the same size; open-loop senders send at even intervals.</summary>
    Fixed,
    /// <summary>Every message has the same size; the gaps are exponential.</summary>
    Poisson,
    /// <summary>Sizes are log-normal, gaps come in bursts: see <see cref="MessageMix"/>.</summary>
    Chat,
}

/// <summary>
/// How long messages are and how far apart. Both are functions of seed, stream and index, so that a recipient knows what to expect and a
/// resend is the same message. The chat mix: bodies log-normal with median 64 and sigma 1.0, cut to [16, 4096] bytes (mean about 105);
/// gaps hyperexponential: 4 of 5 belong to a burst and average a quarter of the mean gap, 1 of 5 is a pause and averages 4 times it,
/// so that the mean is kept. Immutable.
/// </summary>
internal sealed class MessageMix
{
    private const double Sigma = 1.0;
    private const int MedianBytes = 64;
    private const int LongestChatBytes = 4096;
    private const int SizeTable = 4096;
    private const double BurstShare = 0.8;
    private const double BurstFactor = 0.25;
    private const double PauseFactor = 4.0;

    private readonly ushort[]? _sizes;
    private readonly int _size;
    private readonly ulong _seed;

    public MessageMix(MixKind kind, int sizeBytes, ulong seed)
    {
        Kind = kind;
        _size = sizeBytes;
        _seed = seed;
        if (kind == MixKind.Chat) _sizes = LogNormalSizes();
    }

    public MixKind Kind { get; }

    /// <summary>The longest body it yields.</summary>
    public int MaxBytes => Kind == MixKind.Chat ? LongestChatBytes : _size;

    public int SizeOf(uint stream, ulong index) =>
        _sizes is null ? _size : _sizes[(int)(Hash.Of(_seed ^ 0x51, stream, index) & (SizeTable - 1))];

    /// <summary>From the message's intended time to the next one's, in units of the mean gap.</summary>
    public double GapAfter(uint stream, ulong index)
    {
        if (Kind == MixKind.Fixed) return 1;
        var hash = Hash.Of(_seed ^ 0x6A, stream, index);
        var exponential = -Math.Log(Hash.Unit(hash));
        if (Kind == MixKind.Poisson) return exponential;
        return exponential * (Hash.Unit(Hash.Mix(hash)) < BurstShare ? BurstFactor : PauseFactor);
    }

    public override string ToString() => Kind switch
    {
        MixKind.Fixed => string.Create(CultureInfo.InvariantCulture, $"fixed: {_size} bytes, even gaps"),
        MixKind.Poisson => string.Create(CultureInfo.InvariantCulture, $"poisson: {_size} bytes, exponential gaps"),
        _ => string.Create(
            CultureInfo.InvariantCulture,
            $"chat: log-normal sizes, median {MedianBytes}, sigma {Sigma:0.0}, {Payload.MinBytes}..{LongestChatBytes} bytes; gaps in bursts"),
    };

    /// <summary>The distribution's quantiles at equal steps: drawing one evenly draws from the distribution.</summary>
    private static ushort[] LogNormalSizes()
    {
        var sizes = new ushort[SizeTable];
        for (var i = 0; i < SizeTable; i++)
        {
            var bytes = MedianBytes * Math.Exp(Sigma * NormalQuantile((i + 0.5) / SizeTable));
            sizes[i] = (ushort)Math.Clamp(bytes, Payload.MinBytes, LongestChatBytes);
        }

        return sizes;
    }

    /// <summary>The inverse of the normal distribution, to 4.5e-4: Abramowitz and Stegun, 26.2.23.</summary>
    private static double NormalQuantile(double p)
    {
        if (p > 0.5) return -NormalQuantile(1 - p);
        var t = Math.Sqrt(-2 * Math.Log(p));
        return -(t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308))));
    }
}
