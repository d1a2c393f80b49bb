using System.Globalization;
using System.Runtime.InteropServices;
using Gateway.Benchmarks.Reports;
using Microsoft.Win32.SafeHandles;

namespace Gateway.Benchmarks.Mailbox.Bars;

/// <summary>Takes files out of the kernel's page cache, and tells how much was read from the disk since. Stateless.</summary>
internal static partial class PageCache
{
    /// <summary>POSIX_FADV_DONTNEED of linux/fadvise.h, on every architecture .NET runs on.</summary>
    private const int DontNeed = 4;

    /// <summary>Every file of a folder: synced, since dirty pages stay, then dropped.</summary>
    /// <exception cref="MeasuringException">The kernel refused.</exception>
    public static void Drop(string folder)
    {
        foreach (var path in Directory.GetFiles(folder))
        {
            using var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
            RandomAccess.FlushToDisk(file);
            if (Advise(file, 0, 0, DontNeed) is not 0 and var errno) throw new MeasuringException($"posix_fadvise failed with errno {errno}");
        }
    }

    /// <summary>Bytes that this process has had fetched from disks; proc(5), /proc/PID/io.</summary>
    public static long ReadFromDisk()
    {
        const string Name = "read_bytes: ";
        return long.Parse(File.ReadLines("/proc/self/io").First(l => l.StartsWith(Name, StringComparison.Ordinal)).AsSpan(Name.Length), CultureInfo.InvariantCulture);
    }

    [LibraryImport("libc", EntryPoint = "posix_fadvise")]
    private static partial int Advise(SafeFileHandle file, long offset, long length, int advice);
}
