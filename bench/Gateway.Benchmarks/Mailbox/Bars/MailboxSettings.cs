using Gateway.Benchmarks.Reports;

namespace Gateway.Benchmarks.Mailbox.Bars;

/// <summary>What the run was asked for. Immutable.</summary>
/// <param name="Rounds">Of each trial; time and warm-up are of one side's turn, at most.</param>
/// <param name="Scale">1: the sizes that the bars name. Below, all of them by so much: to try the command.</param>
/// <param name="Only">Names of trials; empty: all.</param>
internal sealed record MailboxSettings(RoundSettings Rounds, double Scale, IReadOnlyList<string> Only)
{
    /// <summary>Of every log but the one that is compacted: as the design has it, or when sizes are scaled so little that it is soon all in use.</summary>
    public long LogMemoryBytes => Scale < 1 ? 16L << 20 : 128L << 20;

    /// <summary>A size that the bars name, scaled, and no smaller than this.</summary>
    public int Sized(int full, int least) => (int)Math.Max(least, full * Scale);
}
