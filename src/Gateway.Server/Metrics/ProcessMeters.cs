using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Gateway.Server.Options;

namespace Gateway.Server.Metrics;

/// <summary>
/// What is customary to tell of any process and of any .NET process, on the meters <c>process</c> and <c>dotnet</c>, under the names that
/// Prometheus client libraries agree on. Read from proc(5) and the runtime when asked. Any thread.
/// </summary>
internal sealed class ProcessMeters : IDisposable
{
    // The fields of /proc/self/stat behind the name in parentheses, counted from 0: proc_pid_stat(5), where the first of them is number 3.
    private const int ThreadsField = 17;
    private const int VirtualBytesField = 20;
    private const int ResidentPagesField = 21;

    private readonly Meter _process = new("process");
    private readonly Meter _dotnet = new("dotnet");

    public ProcessMeters()
    {
        AddProcess();
        AddRuntime();
    }

    public IReadOnlyList<Meter> All => [_process, _dotnet];

    public void Dispose()
    {
        _process.Dispose();
        _dotnet.Dispose();
    }

    private void AddProcess()
    {
        using var self = Process.GetCurrentProcess();
        var startedAt = (self.StartTime.ToUniversalTime() - DateTime.UnixEpoch).TotalSeconds;
        var maxFiles = (double)ProcessLimits.Read().OpenFiles;
        _process.CreateObservableCounter("cpu_seconds_total", () => Environment.CpuUsage.TotalTime.TotalSeconds, "seconds", "User and system time spent.");
        _process.CreateObservableGauge("start_time_seconds", () => startedAt, "seconds", "When the process started, since 1970.");
        _process.CreateObservableGauge("resident_memory_bytes", () => Stat(ResidentPagesField) * Environment.SystemPageSize, "bytes", "Resident memory.");
        _process.CreateObservableGauge("virtual_memory_bytes", () => Stat(VirtualBytesField), "bytes", "Address space; most of it is reserved, not used.");
        _process.CreateObservableGauge("num_threads", () => Stat(ThreadsField), "threads", "Threads of the process.");
        _process.CreateObservableGauge("open_fds", OpenFiles, null, "Open file descriptors.");
        _process.CreateObservableGauge("max_fds", () => maxFiles, null, "File descriptors that the process may open.");
    }

    private void AddRuntime()
    {
        _dotnet.CreateObservableCounter("collection_count_total", Collections, null, "Garbage collections, by generation; one of a generation counts for the younger too.");
        _dotnet.CreateObservableCounter("gc_pause_seconds_total", () => GC.GetTotalPauseDuration().TotalSeconds, "seconds", "Time that collections stopped all managed threads.");
        _dotnet.CreateObservableGauge("total_memory_bytes", () => GC.GetTotalMemory(forceFullCollection: false), "bytes", "Managed memory believed to be in use.");
        _dotnet.CreateObservableGauge("committed_memory_bytes", () => GC.GetGCMemoryInfo().TotalCommittedBytes, "bytes", "Memory that the collector holds, as of the last collection.");
        _dotnet.CreateObservableCounter("allocated_bytes_total", () => GC.GetTotalAllocatedBytes(), "bytes", "Managed bytes allocated.");
        _dotnet.CreateObservableGauge("threadpool_threads", () => (long)ThreadPool.ThreadCount, "threads", "Threads of the pool, which serves operators and scrapes, no devices.");
        _dotnet.CreateObservableGauge("threadpool_queue_length", () => ThreadPool.PendingWorkItemCount, null, "Work that waits for a thread of the pool.");
    }

    private static IEnumerable<Measurement<long>> Collections()
    {
        for (var generation = 0; generation <= GC.MaxGeneration; generation++)
        {
            yield return new Measurement<long>(
                GC.CollectionCount(generation), new KeyValuePair<string, object?>("generation", generation.ToString(CultureInfo.InvariantCulture)));
        }
    }

    private static long Stat(int field)
    {
        var stat = File.ReadAllText("/proc/self/stat");
        return long.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[field], CultureInfo.InvariantCulture);
    }

    /// <summary>From Linux 6.2 the size of the folder is their number; before that they are listed, which a million of them make slow.</summary>
    private static long OpenFiles()
    {
        var folder = "/proc/self/fd\0"u8.ToArray();
        var answer = new byte[StatxBytes];
        if (Statx(AtWorkingFolder, folder, 0, StatxSize, answer) == 0 && BitConverter.ToInt64(answer, StatxSizeOffset) is var size and > 0) return size;
        return Directory.EnumerateFileSystemEntries(Encoding.ASCII.GetString(folder, 0, folder.Length - 1)).LongCount();
    }

    // statx(2): struct statx is 256 bytes, stx_size at 40.
    private const int StatxBytes = 256;
    private const int StatxSizeOffset = 40;
    private const uint StatxSize = 0x200;
    private const int AtWorkingFolder = -100;

    [DllImport("libc", EntryPoint = "statx")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Statx(int folder, byte[] path, int flags, uint mask, byte[] answer);
}
