using System.Text.RegularExpressions;
using Gateway.Server;
using Gateway.Server.Hosting;
using Gateway.Tests.Repository;
using Gateway.Transport;
using Xunit;

namespace Gateway.Tests.Server;

/// <summary>What a node says at its start of how many connections it has room for.</summary>
public sealed class ConnectionRoomTests : IDisposable
{
    private const long GiB = 1L << 30;

    private static readonly GatewayOptions Million = GatewayOptions.Default with { MaxConnections = 1_000_000, Reactors = 2, Io = IoBackend.Auto };
    private static readonly MachineFacts Ample = new(20_000, 1_048_576, 4_000_000, 1_000, 64 * GiB, MemoryOfGroup: false);

    private readonly TemporaryFolder _machine = new();

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void With_epoll_the_open_files_limit_it_and_the_remedy_is_named()
    {
        var room = ConnectionRoom.Of(Million, (IoBackend.Epoll, 19_488), Ample);

        Assert.Equal(("open files", 19_488), (room.Tightest.Name, room.Tightest.Connections));
        var lines = room.Lines.ToList();
        Assert.Equal("room for 19,488 connections; what limits it is open files", lines[0]);
        Assert.Contains("LimitNOFILE", lines[^1], StringComparison.Ordinal);
        Assert.Contains("tools/ops/tune.sh", lines[^1], StringComparison.Ordinal);
        foreach (var name in (string[])["open files", "fs.file-max", "memory", "max-connections"]) Assert.Contains(lines, l => l.StartsWith($"  {name} ", StringComparison.Ordinal));
    }

    [Fact]
    public void Open_files_are_the_cause_where_max_connections_was_lowered_to_them() =>
        Assert.Equal("open files", ConnectionRoom.Of(Million with { MaxConnections = 19_488 }, (IoBackend.Epoll, 19_488), Ample).Tightest.Name);

    [Theory]
    [InlineData(4_000_000, 64, "max-connections", 1_000_000)]
    [InlineData(400_000, 64, "fs.file-max", 399_000)]
    [InlineData(4_000_000, 4, "memory", (4 * GiB - (128L << 20)) / 4600)]
    public void With_io_uring_the_tightest_of_the_rest_does(long fileMax, int memoryGiB, string name, long connections)
    {
        var room = ConnectionRoom.Of(Million, (IoBackend.Uring, 2L * 2048 * 20_000), Ample with { FileMax = fileMax, AvailableBytes = memoryGiB * GiB });

        Assert.Equal((name, connections), (room.Tightest.Name, room.Tightest.Connections));
    }

    [Fact]
    public void Facts_are_read_from_proc_and_from_the_groups_of_version_2_up_to_the_root()
    {
        Write("proc/self/limits", "Limit                     Soft Limit           Hard Limit           Units     \nMax open files            1024                 20000                files     \n");
        Write("proc/sys/fs/nr_open", "1048576\n");
        Write("proc/sys/fs/file-max", "2466177\n");
        Write("proc/sys/fs/file-nr", "619\t0\t2466177\n");
        Write("proc/meminfo", "MemTotal:       24684092 kB\nMemAvailable:   24058796 kB\n");
        Write("proc/self/cgroup", "0::/system.slice/gateway.service\n");
        Write("sys/fs/cgroup/system.slice/gateway.service/memory.max", "max\n");
        Assert.Equal(new MachineFacts(1024, 1_048_576, 2_466_177, 619, 24_058_796L * 1024, MemoryOfGroup: false), MachineFacts.Read(_machine.Path));

        Write("sys/fs/cgroup/system.slice/memory.max", $"{2 * GiB}\n");
        Write("sys/fs/cgroup/system.slice/memory.current", $"{GiB / 2}\n");
        var facts = MachineFacts.Read(_machine.Path);
        Assert.Equal((3 * GiB / 2, true), (facts.AvailableBytes, facts.MemoryOfGroup));
    }

    [Fact]
    public void A_group_of_version_1_limits_too_and_its_number_for_none_does_not()
    {
        Write("proc/meminfo", "MemAvailable:   24058796 kB\n");
        Write("proc/self/cgroup", "5:devices:/\n4:memory:/pod/one\n0::/\n");
        Write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        Assert.False(MachineFacts.Read(_machine.Path).MemoryOfGroup);

        Write("sys/fs/cgroup/memory/pod/one/memory.limit_in_bytes", $"{GiB}\n");
        Write("sys/fs/cgroup/memory/pod/one/memory.usage_in_bytes", $"{GiB / 4}\n");
        Assert.Equal(3 * GiB / 4, MachineFacts.Read(_machine.Path).AvailableBytes);
    }

    [Fact]
    public void Where_nothing_can_be_read_max_connections_alone_is_known()
    {
        var facts = MachineFacts.Read(_machine.Path);
        Assert.Equal(new MachineFacts(long.MaxValue, long.MaxValue, long.MaxValue, 0, long.MaxValue, false), facts);
        Assert.Equal("max-connections", ConnectionRoom.Of(Million, (IoBackend.Epoll, long.MaxValue), facts).Tightest.Name);
    }

    [Fact]
    public void The_node_and_the_script_that_tunes_for_it_reckon_with_the_same_bytes()
    {
        var script = File.ReadAllText(RepositoryRoot.File("tools", "ops", "tune.sh"));
        Assert.Equal($"{ConnectionRoom.KernelBytesEach} {ConnectionRoom.UserBytesEach}", Regex.Replace(script, @"(?s).*KERNEL_BYTES=(\d+) USER_BYTES=(\d+).*", "$1 $2"));
    }

    private void Write(string file, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_machine.File(file))!);
        File.WriteAllText(_machine.File(file), text);
    }
}
