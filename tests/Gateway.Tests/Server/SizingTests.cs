using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using Gateway.Messaging;
using Gateway.Tests.Repository;
using Gateway.Transport;
using Gateway.Transport.Backend.Uring;
using Gateway.Transport.Connections;
using Gateway.Transport.Linux;
using Xunit;

namespace Gateway.Tests.Server;

/// <summary>What src/SEAMS.md says that connections cost, and what SIZING.md says that a machine needs, is what the code and the script have.</summary>
public class SizingTests
{
    public static TheoryData<string, long> Structures => new()
    {
        { "`ConnectionSlot`", Unsafe.SizeOf<ConnectionSlot>() },
        { "`IdleSession`", Unsafe.SizeOf<IdleSession>() },
        { "`SendWindow`", Unsafe.SizeOf<SendWindow>() },
        { "bucket of `WindowTable`", sizeof(uint) },
        { "together", Unsafe.SizeOf<ConnectionSlot>() + Unsafe.SizeOf<IdleSession>() + Unsafe.SizeOf<SendWindow>() + sizeof(uint) },
        { "submissions of a ring", Constant(typeof(RingSet), "Submissions") * Unsafe.SizeOf<Submission>() },
        { "completions of a ring", Constant(typeof(RingSet), "Completions") * Unsafe.SizeOf<CompletionEntry>() },
        { "addresses beside a ring's submissions", Constant(typeof(RingSet), "Submissions") * Constant(typeof(Ring), "AddressBytes") },
        { "buffers of a ring's busy connections", (long)new ReactorGroupOptions().BusyBuffers * new ReactorGroupOptions().BusyBufferBytes },
        { "arena of a reactor", ArenaBytes() },
        // One more than buckets: those under examination are taken off the wheel.
        { "timer wheel of a reactor", (Constant(typeof(Reactor), "WheelBuckets") + 1) * sizeof(uint) },
    };

    [Theory]
    [MemberData(nameof(Structures))]
    public void What_an_idle_connection_costs_is_what_the_structures_are(string structure, long bytes)
    {
        var section = File.ReadAllText(RepositoryRoot.File("src", "SEAMS.md")).Split("## 7. What an idle connection costs")[1];
        var row = section.Split('\n').Single(line => line.StartsWith($"| {structure} |", StringComparison.Ordinal));
        Assert.Equal(bytes, long.Parse(row.Split('|')[2].Trim(), CultureInfo.InvariantCulture));
    }

    [Theory]
    [InlineData(10_000)]
    [InlineData(100_000)]
    [InlineData(1_000_000)]
    [InlineData(2_000_000)]
    public void The_sizing_table_asks_for_what_the_script_asks_for(int connections)
    {
        var row = File.ReadAllLines(RepositoryRoot.File("tools", "ops", "SIZING.md")).Last(l => l.StartsWith(string.Create(CultureInfo.InvariantCulture, $"| {connections:N0} |"), StringComparison.Ordinal));
        var told = row.Replace(",", "", StringComparison.Ordinal).Split('|').Select(c => c.Trim()).ToList();
        using var machine = new TemporaryFolder();
        // A machine that has nothing, so that the script names all that it wants.
        foreach (var (file, text) in (ReadOnlySpan<(string, string)>)
        [
            ("proc/sys/fs/file-max", "1"), ("proc/sys/fs/nr_open", "1"), ("proc/sys/net/core/somaxconn", "1"), ("proc/sys/net/ipv4/tcp_max_syn_backlog", "1"),
            ("proc/sys/net/ipv4/tcp_mem", "1 1 1"), ("proc/sys/net/ipv4/ip_local_port_range", "32768 60999"), ("proc/sys/kernel/io_uring_disabled", "0"),
            ("proc/self/limits", "Max open files            1                 1                files     "),
            ("proc/meminfo", "MemTotal:       64000000 kB\nMemAvailable:   64000000 kB"),
        ])
        {
            Directory.CreateDirectory(Path.GetDirectoryName(machine.File(file))!);
            machine.Write(file, text + "\n");
        }

        Assert.Equal(Wanted("epoll", "fs.file-max"), told[2]);
        Assert.Equal(Wanted("epoll", "open files"), told[3]);
        Assert.Equal(Wanted("uring", "open files"), told[4]);
        Assert.Equal(Wanted("uring", "net.core.somaxconn"), told[5]);
        Assert.Equal(Wanted("uring", "net.ipv4.tcp_mem"), told[6]);

        string Wanted(string io, string setting)
        {
            using var script = Process.Start(new ProcessStartInfo(
                "bash", [RepositoryRoot.File("tools", "ops", "tune.sh"), "--check", "--connections", $"{connections}", "--io", io, "--root", machine.Path]) { RedirectStandardOutput = true })!;
            var line = script.StandardOutput.ReadToEnd().Split('\n').First(l => l.StartsWith($"LACKS  {setting}", StringComparison.Ordinal));
            script.WaitForExit();
            return line.Substring(67, 24).Trim();
        }
    }

    private static long ArenaBytes()
    {
        using var arena = new Arena(new ReactorGroupOptions());
        return (long)arena.Slices * arena.SliceBytes;
    }

    private static long Constant(Type type, string name) =>
        Convert.ToInt64(type.GetField(name, BindingFlags.Static | BindingFlags.NonPublic)!.GetRawConstantValue(), CultureInfo.InvariantCulture);
}
