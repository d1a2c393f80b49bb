using System.Globalization;

namespace Gateway.Server.Hosting;

/// <summary>
/// What the machine, and the control group that this process is in, have to give: proc(5), and memory.max of cgroups(7), v1 and v2. What cannot
/// be read limits nothing that is known: <see cref="long.MaxValue"/>.
/// </summary>
/// <param name="OpenFiles">RLIMIT_NOFILE of this process as it stands.</param>
/// <param name="MostOpenFiles">fs.nr_open: what a process may be given at most.</param>
/// <param name="FileMax">fs.file-max: open files of the whole machine, io_uring's direct descriptors included.</param>
/// <param name="FilesInUse">Of those.</param>
/// <param name="AvailableBytes">MemAvailable, or what is left of the tightest group.</param>
/// <param name="MemoryOfGroup">It is a group's.</param>
internal readonly record struct MachineFacts(long OpenFiles, long MostOpenFiles, long FileMax, long FilesInUse, long AvailableBytes, bool MemoryOfGroup)
{
    /// <param name="root">/, or a folder that stands for it.</param>
    public static MachineFacts Read(string root)
    {
        var files = Words(Path.Combine(root, "proc/sys/fs/file-nr"));
        var machine = Kilobytes(Path.Combine(root, "proc/meminfo"), "MemAvailable:");
        var group = LeftToGroup(root);
        return new MachineFacts(
            OpenFilesOf(Path.Combine(root, "proc/self/limits")),
            Number(Path.Combine(root, "proc/sys/fs/nr_open")),
            Number(Path.Combine(root, "proc/sys/fs/file-max")),
            files.Length == 3 ? Parse(files[0], 0) : 0,
            Math.Min(machine, group),
            group < machine);
    }

    private static long OpenFilesOf(string path)
    {
        foreach (var line in Lines(path))
        {
            // "Max open files            1024                 524288               files"
            if (line.StartsWith("Max open files", StringComparison.Ordinal)) return Parse(Split(line)[3]);
        }

        return long.MaxValue;
    }

    /// <summary>The least that this process's group or one above it has left.</summary>
    private static long LeftToGroup(string root)
    {
        var least = long.MaxValue;
        foreach (var line in Lines(Path.Combine(root, "proc/self/cgroup")))
        {
            // "0::/a/b" for v2, "4:memory:/a/b" for v1's group of memory.
            var parts = line.Split(':', 3);
            if (parts.Length != 3) continue;
            if (parts is ["0", "", _]) least = Math.Min(least, Left(Path.Combine(root, "sys/fs/cgroup"), parts[2], "memory.max", "memory.current"));
            else if (parts[1].Split(',').Contains("memory"))
                least = Math.Min(least, Left(Path.Combine(root, "sys/fs/cgroup/memory"), parts[2], "memory.limit_in_bytes", "memory.usage_in_bytes"));
        }

        return least;
    }

    private static long Left(string mount, string group, string limitFile, string usageFile)
    {
        var least = long.MaxValue;
        for (var path = group.Trim('/'); ; path = Path.GetDirectoryName(path) ?? "")
        {
            var limit = Number(Path.Combine(mount, path, limitFile));
            // v1 says "none" by a number near the greatest.
            if (limit < long.MaxValue / 2) least = Math.Min(least, Math.Max(0, limit - Number(Path.Combine(mount, path, usageFile), 0)));
            if (path.Length == 0) return least;
        }
    }

    private static long Kilobytes(string path, string name)
    {
        foreach (var line in Lines(path))
        {
            if (line.StartsWith(name, StringComparison.Ordinal)) return Parse(Split(line)[1]) * 1024;
        }

        return long.MaxValue;
    }

    private static long Number(string path, long otherwise = long.MaxValue) => Words(path) is [var word, ..] ? Parse(word, otherwise) : otherwise;

    /// <summary>"max" and "unlimited" are no numbers, and no limits.</summary>
    private static long Parse(string word, long otherwise = long.MaxValue) =>
        long.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : otherwise;

    private static string[] Words(string path) => [.. Lines(path).Take(1).SelectMany(Split)];

    private static string[] Split(string line) => line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);

    private static string[] Lines(string path)
    {
        try
        {
            return File.ReadAllLines(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
