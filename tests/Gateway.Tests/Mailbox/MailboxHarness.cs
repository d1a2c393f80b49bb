using System.Collections.Concurrent;
using Gateway.Mailbox;
using Gateway.Mailbox.Storage;
using Xunit;

namespace Gateway.Tests.Mailbox;

/// <summary>A data folder that goes away with the test.</summary>
internal sealed class DataFolder : IDisposable
{
    public DataFolder(string? under = null)
    {
        Path = System.IO.Path.Combine(under ?? System.IO.Path.GetTempPath(), "gateway-mailbox-" + Guid.NewGuid().ToString("N"));
        Directory.CreateDirectory(Path);
    }

    public string Path { get; }

    public string[] Segments => [.. Directory.GetFiles(Path, "*.segment").Order(StringComparer.Ordinal)];

    /// <summary>What a kill at this moment would leave behind. The lock is not copied: it goes with the process.</summary>
    public DataFolder Copy()
    {
        var copy = new DataFolder();
        CopyOver(copy);
        return copy;
    }

    public void CopyOver(DataFolder copy)
    {
        while (true)
        {
            // The superblock first: what it says was true of the segments when it was written, and of what they are later. The last segment next: the
            // log goes on meanwhile, and no mark may be copied that tells of what its own segment's copy was too early for.
            var files = Directory.GetFiles(Path).OrderBy(f => System.IO.Path.GetFileName(f) != "superblock").ThenByDescending(f => f, StringComparer.Ordinal);
            try
            {
                foreach (var file in files.Where(f => System.IO.Path.GetFileName(f) != "LOCK"))
                    File.Copy(file, System.IO.Path.Combine(copy.Path, System.IO.Path.GetFileName(file)), overwrite: true);
                return;
            }
            catch (IOException)
            {
                // A segment got its final name meanwhile, or was taken to be used again: once more, since a kill leaves it under one of the two.
            }
        }
    }

    /// <summary>The same whatever is held: on the thread that would use files again, or there would be files that are half of one and half of another segment.</summary>
    public void CopyHeld(DataFolder copy)
    {
        var from = new PosixFileSystem(Path);
        while (true)
        {
            var names = from.List().Where(n => n != "LOCK").OrderBy(n => n != "superblock").ThenByDescending(n => n, StringComparer.Ordinal).ToList();
            try
            {
                foreach (var name in names)
                {
                    using var file = from.Open(name);
                    var bytes = new byte[file.Length];
                    File.WriteAllBytes(System.IO.Path.Combine(copy.Path, name), bytes.AsSpan(0, file.Read(0, bytes)).ToArray());
                }

                return;
            }
            catch (LogIOException e) when (e.Errno == Posix.ENOENT)
            {
                // Given up meanwhile.
            }
        }
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}

/// <summary>Keeps what recovery told, in order.</summary>
internal sealed class RecordingObserver : IRecoveryObserver
{
    public List<string> Events { get; } = [];
    public long ScannedBytes { get; private set; }

    public void OnWindow(ulong device, uint incarnation, ulong low, ulong settled, uint usedAt) => Events.Add($"window {device} {incarnation} {low} {settled} {usedAt}");
    public void OnOrigin(ulong device, uint incarnation, ulong number, ulong low) => Events.Add($"origin {device} {incarnation} {number} {low}");
    public void OnDevice(ulong device, uint keyEpoch) => Events.Add($"device {device} {keyEpoch}");
    public void OnGap(long address, long bytes, long messages, long receipts) => Events.Add($"gap {messages} {receipts}");
    public void OnProgress(long scannedBytes, long totalBytes) => ScannedBytes = scannedBytes;
}

/// <summary>A clock that moves only when told.</summary>
internal sealed class ManualTime(DateTimeOffset start) : TimeProvider
{
    private long _ticks = start.UtcTicks;

    public ManualTime()
        : this(new DateTimeOffset(2026, 7, 1, 12, 0, 0, TimeSpan.Zero))
    {
    }

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public ulong Microseconds => (ulong)(Volatile.Read(ref _ticks) - DateTime.UnixEpoch.Ticks) / 10;

    public void Advance(TimeSpan by) => Interlocked.Add(ref _ticks, by.Ticks);
    public override DateTimeOffset GetUtcNow() => new(Volatile.Read(ref _ticks), TimeSpan.Zero);
    public override long GetTimestamp() => Volatile.Read(ref _ticks);
}

/// <summary>
/// A log in a small geometry (4 KiB pages, 64 KiB segments, 32 KiB of memory) with what its callbacks said, and short ways to do to it what
/// a home does. All of it on the test's thread.
/// </summary>
internal sealed class MailboxHarness : IDisposable
{
    public const ulong Identity = 0x1D_C0FF_EE15_600D;
    public MailboxHarness(string folder, Action<Settings>? configure = null, TimeProvider? time = null)
    {
        var settings = new Settings();
        configure?.Invoke(settings);
        (Partitions, SegmentBytes) = (settings.Partitions, settings.SegmentBytes);
        Time = time ?? new ManualTime();
        Observer = new RecordingObserver();
        Log = MailboxLog.Open(
            new MailboxLogOptions
            {
                Folder = folder,
                NewLogIdentity = Identity,
                Partitions = settings.Partitions,
                OwnerOf = mailbox => (int)(mailbox % (ulong)settings.Partitions),
                Durability = settings.Durability,
                PageBytes = settings.PageBytes,
                MaxBodyBytes = settings.MaxBodyBytes,
                MemoryBytes = settings.MemoryBytes,
                SegmentBytes = settings.SegmentBytes,
                SegmentsAhead = settings.SegmentsAhead,
                AckReserveBytes = settings.AckReserveBytes,
                CompactionReserveBytes = settings.CompactionReserveBytes,
                OnCompaction = settings.Compacts ? _ => { } : null,
                CountWindows = () => settings.Windows,
                PageBufferBytes = settings.PageBufferBytes,
                PageBuffersPerPartition = settings.PageBuffers,
                CommitDelay = settings.CommitDelay,
                CommitStallLimit = settings.CommitStallLimit,
                IdleMarkAfter = settings.IdleMarkAfter,
                ReserveAhead = settings.ReserveAhead,
                FileSystem = settings.FileSystem,
                OnCommitted = settings.OnCommitted,
                OnCommitTimed = settings.OnCommitTimed,
                OnFailed = Failures.Enqueue,
                OnPageReady = PagesReady.Enqueue,
            },
            Observer, Time);
    }

    public MailboxLog Log { get; }
    public RecordingObserver Observer { get; }
    public TimeProvider Time { get; }
    public ConcurrentQueue<Exception> Failures { get; } = new();
    public ConcurrentQueue<int> PagesReady { get; } = new();
    public MailboxPartition P => Log.Partition(0);
    public long LastPosition { get; private set; }

    public ulong Send(ulong mailbox, ReadOnlySpan<byte> body, RecordType type = RecordType.Message, uint incarnation = 0, ulong number = 0)
    {
        var partition = PartitionOf(mailbox);
        var sequence = NextSequence(partition);
        var record = new MailboxRecord
        {
            Type = type,
            Mailbox = mailbox,
            Sequence = sequence,
            Previous = partition.State(mailbox).Last,
            Sender = 77,
            Incarnation = incarnation,
            Number = number,
            Low = number == 0 ? 0 : 1UL,
            EnqueuedAt = 1_800_000_000,
            Kind = type == RecordType.Receipt ? (byte)1 : (byte)0,
            Body = body,
        };
        Append(record);
        return sequence;
    }

    public ulong Send(ulong mailbox, string body) => Send(mailbox, System.Text.Encoding.UTF8.GetBytes(body));

    public void Ack(ulong mailbox, ulong sequence) => Append(new MailboxRecord { Type = RecordType.AckUpTo, Mailbox = mailbox, Sequence = sequence });

    public void Remove(ulong mailbox, ulong sequence, RemoveReason reason) =>
        Append(new MailboxRecord { Type = RecordType.Remove, Mailbox = mailbox, Sequence = sequence, Kind = (byte)reason });

    public void Append(in MailboxRecord record)
    {
        var partition = PartitionOf(record.Mailbox);
        AppendStatus status;
        long position;
        var deadline = Environment.TickCount64 + 30_000;
        while ((status = partition.Append(record, out position)) == AppendStatus.Busy && Environment.TickCount64 < deadline)
        {
            partition.EndBatch();
            Thread.Sleep(1);
        }

        Assert.Equal(AppendStatus.Ok, status);
        LastPosition = position;
    }

    /// <summary>Everything appended is durable, or the log has failed.</summary>
    public void Commit()
    {
        for (var i = 0; i < Partitions; i++) Log.Partition(i).EndBatch();
        WaitFor(() => Log.CommittedThrough >= LastPosition || !Failures.IsEmpty);
        Assert.Empty(Failures);
    }

    /// <summary>Whether <see cref="Work"/> carries devices, by doing nothing: the log's own tests have no windows to lose.</summary>
    public bool CarriesDevices { get; set; } = true;

    /// <summary>No owner has anything to do for compaction, and it has nothing more to begin with.</summary>
    public bool IsSettled
    {
        get
        {
            var counters = Log.Counters;
            return Enumerable.Range(0, Partitions).All(p => !Log.Partition(p).HasCompaction)
                && (counters.LogBytes <= counters.LiveBytes * 2 + SegmentBytes || counters.LogBytes - counters.UncommittedBytes < SegmentBytes);
        }
    }

    public long SegmentBytes { get; }

    /// <summary>What a home does in a turn for compaction.</summary>
    public void Work()
    {
        for (var i = 0; i < Partitions; i++)
        {
            var partition = Log.Partition(i);
            partition.Compact(4096);
            if (CarriesDevices) partition.Carried(partition.PeekCarried(out _).Length);
            partition.EndBatch();
        }
    }

    /// <summary>Until compaction has done all it wants to.</summary>
    public void Settle()
    {
        Commit();
        WaitFor(() =>
        {
            Work();
            return IsSettled;
        });
        Assert.Empty(Failures);
    }

    public List<(ulong Sequence, ulong Previous, string Body)> Read(ulong mailbox, ulong after = 0, int maxEntries = 1000, int maxBytes = 1 << 20)
    {
        var read = new List<(ulong, ulong, string)>();
        var partition = PartitionOf(mailbox);
        Assert.True(partition.TryBeginRead(mailbox, after, maxEntries, maxBytes, token: 9));
        var page = Take(partition);
        Assert.Equal(9ul, page.Token);
        while (page.TryNext(out var record)) read.Add((record.Sequence, record.Previous, System.Text.Encoding.UTF8.GetString(record.Body)));
        page.Release();
        return read;
    }

    /// <summary>All of a mailbox, page by page.</summary>
    public List<(ulong Sequence, ulong Previous, string Body)> ReadAll(ulong mailbox)
    {
        var all = new List<(ulong Sequence, ulong Previous, string Body)>();
        while (Read(mailbox, after: all.Count == 0 ? 0 : all[^1].Sequence) is { Count: > 0 } page) all.AddRange(page);
        return all;
    }

    public MailboxPage Take(MailboxPartition partition)
    {
        MailboxPage? page = null;
        WaitFor(() => partition.TryTakePage(out page!) || !Failures.IsEmpty);
        Assert.Empty(Failures);
        return page!;
    }

    public MailboxPartition PartitionOf(ulong mailbox) => Log.Partition((int)(mailbox % (ulong)Partitions));

    public int Partitions { get; }

    public static void WaitFor(Func<bool> condition)
    {
        var deadline = Environment.TickCount64 + 30_000;
        while (!condition())
        {
            Assert.True(Environment.TickCount64 < deadline, "waited 30 s in vain");
            Thread.Sleep(1);
        }
    }

    public void Dispose() => Log.Dispose();

    private static ulong NextSequence(MailboxPartition partition)
    {
        ulong sequence = 0;
        WaitFor(() => (sequence = partition.NextSequence()) != 0);
        return sequence;
    }

    internal sealed class Settings
    {
        public int Partitions { get; set; } = 1;
        public Durability Durability { get; set; } = Durability.Fsync;
        public int PageBytes { get; set; } = 4096;
        public int MaxBodyBytes { get; set; } = 1024;
        public long MemoryBytes { get; set; } = 64 * 1024;
        public long SegmentBytes { get; set; } = 64 * 1024;
        public int SegmentsAhead { get; set; } = 1;
        public long AckReserveBytes { get; set; } = 16 * 1024;
        public long CompactionReserveBytes { get; set; } = 8 * 1024;
        public bool Compacts { get; set; }
        public long Windows { get; set; }
        public int PageBufferBytes { get; set; } = 8192;
        public int PageBuffers { get; set; } = 4;
        public TimeSpan CommitDelay { get; set; }
        public TimeSpan CommitStallLimit { get; set; } = TimeSpan.FromSeconds(30);
        public TimeSpan IdleMarkAfter { get; set; } = TimeSpan.FromSeconds(1);
        public TimeSpan ReserveAhead { get; set; } = TimeSpan.FromSeconds(5);
        public ILogFileSystem? FileSystem { get; set; }
        public Action? OnCommitted { get; set; }
        public Action<TimeSpan>? OnCommitTimed { get; set; }
    }
}
