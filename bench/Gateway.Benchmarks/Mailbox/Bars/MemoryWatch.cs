using System.Globalization;

namespace Gateway.Benchmarks.Mailbox.Bars;

/// <summary>Looks at a process's own memory over and over, on a thread of its own, until it is disposed.</summary>
internal sealed class MemoryWatch : IDisposable
{
    private const int TickMs = 50;

    private readonly int _process;
    private readonly Thread _thread;
    private long _most;
    private volatile bool _stopping;

    public MemoryWatch(int process)
    {
        _process = process;
        First = Look(process);
        _thread = new Thread(Run) { IsBackground = true, Name = "memory watch" };
        _thread.Start();
    }

    /// <summary>Bytes, when it began.</summary>
    public long First { get; }

    /// <summary>Bytes at most since then.</summary>
    public long Most => Math.Max(Volatile.Read(ref _most), Look(_process));

    /// <summary>Everything resident or swapped, in full: proc(5), smaps_rollup. No share, which would change with other programs.</summary>
    private static long Look(int process)
    {
        var lines = File.ReadAllLines(string.Create(CultureInfo.InvariantCulture, $"/proc/{process}/smaps_rollup"));
        return (Kilobytes("Rss:") + Kilobytes("Swap:")) * 1024;

        long Kilobytes(string name) =>
            long.Parse(lines.First(l => l.StartsWith(name, StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
    }

    public void Dispose()
    {
        _stopping = true;
        _thread.Join();
    }

    private void Run()
    {
        while (!_stopping)
        {
            Volatile.Write(ref _most, Math.Max(_most, Look(_process)));
            Thread.Sleep(TickMs);
        }
    }
}
