using Gateway.PowerLoss.Disk;

namespace Gateway.PowerLoss.Images;

/// <summary>Runs of following seeds until enough images were checked or a promise broke.</summary>
internal static class Campaign
{
    /// <returns>The first broken promise, null when there is none; and how many seeds were begun.</returns>
    public static (PromiseBrokenException? Broken, int Seeds) Run(int images, int seed, int jobs, Lie lie, CrashTally tally, string? keep)
    {
        PromiseBrokenException? broken = null;
        var next = seed - 1;
        bool IsEnough() => tally.Images >= images || Volatile.Read(ref broken) is not null;

        void Work()
        {
            while (!IsEnough())
            {
                var mine = Interlocked.Increment(ref next);
                try
                {
                    new CrashRun(mine, lie, tally, keep).Run(IsEnough);
                }
                catch (PromiseBrokenException e)
                {
                    Interlocked.CompareExchange(ref broken, e, null);
                }
                catch (Exception e)
                {
                    Interlocked.CompareExchange(ref broken, new PromiseBrokenException($"Seed {mine}: {e}", e), null);
                }
            }
        }

        var threads = Enumerable.Range(0, jobs).Select(_ => new Thread(Work)).ToArray();
        foreach (var thread in threads) thread.Start();
        foreach (var thread in threads) thread.Join();
        return (broken, next - seed + 1);
    }
}
