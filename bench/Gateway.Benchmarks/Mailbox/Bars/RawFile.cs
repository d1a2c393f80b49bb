using System.Diagnostics;
using Gateway.Benchmarks.Reports;
using Gateway.Mailbox.Format;
using Gateway.Mailbox.Storage;

namespace Gateway.Benchmarks.Mailbox.Bars;

/// <summary>
/// The least that makes a message durable: pwrite of its bytes behind the last one's and fdatasync, by the thread that waits for it, into a file
/// whose blocks were all written before and are in the page cache.
/// </summary>
internal sealed class RawFile : IDisposable
{
    private const int FileBytes = 64 << 20;

    private readonly ILogFile _file;
    private long _at;

    /// <exception cref="MeasuringException">There is no room for it.</exception>
    public RawFile(string folder)
    {
        _file = new PosixFileSystem(folder).TryCreate("raw", FileBytes) ?? throw new MeasuringException("the disk has no room for a file of 64 MiB");
        var zeros = new byte[1 << 20];
        for (var at = 0; at < FileBytes; at += zeros.Length) _file.Write(at, zeros);
        _file.Sync();
    }

    /// <summary>Messages a second.</summary>
    public double Run(long messages, TimeSpan limit)
    {
        var record = new byte[RecordLayout.LogBytes(RecordLayout.MessageFixedBytes + PairLoad.BodyBytes)];
        var done = 0L;
        var begun = Stopwatch.GetTimestamp();
        for (; done < messages && Stopwatch.GetElapsedTime(begun) < limit; done++)
        {
            if (_at + record.Length > FileBytes) _at = 0;
            record.AsSpan().Fill((byte)done);
            _file.Write(_at, record);
            _file.Sync();
            _at += record.Length;
        }

        return done / Stopwatch.GetElapsedTime(begun).TotalSeconds;
    }

    public void Dispose() => _file.Dispose();
}
