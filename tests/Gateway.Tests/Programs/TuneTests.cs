using System.Diagnostics;
using Gateway.Tests.Repository;
using Xunit;

namespace Gateway.Tests.Programs;

/// <summary>tools/ops/tune.sh over a folder that stands for the machine's /proc and /etc.</summary>
public sealed class TuneTests : IDisposable
{
    private readonly TemporaryFolder _machine = new();

    public TuneTests()
    {
        Set("fs/file-max", "2466177");
        Set("fs/nr_open", "1048576");
        Set("kernel/io_uring_disabled", "0");
        Set("net/core/somaxconn", "65535");
        Set("net/ipv4/tcp_max_syn_backlog", "65535");
        Set("net/ipv4/tcp_mem", "1000000\t1500000\t2000000");
        Set("net/ipv4/ip_local_port_range", "32768\t60999");
        Set("net/ipv4/ip_local_reserved_ports", "");
        Write("proc/self/limits", "Max open files            1024                 20000                files     \n");
        Write("proc/meminfo", "MemTotal:       24684092 kB\nMemAvailable:   24058796 kB\n");
    }

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void A_machine_that_suffices_passes_and_each_setting_has_its_reason()
    {
        var (exit, output) = Run("--check", "--connections", "1M");

        Assert.True(exit == 0, output);
        Assert.DoesNotContain("LACKS", output, StringComparison.Ordinal);
        string[] settings = ["fs.file-max", "fs.nr_open", "open files", "somaxconn", "tcp_max_syn_backlog", "tcp_mem", "memory available", "ip_local_port_range"];
        foreach (var setting in settings) Assert.NotEqual("", ReasonOf(output, setting));
    }

    [Theory]
    [InlineData("fs/file-max", "1000000", "fs.file-max", "1115536")]
    [InlineData("net/core/somaxconn", "4096", "net.core.somaxconn", "15625")]
    [InlineData("net/ipv4/tcp_max_syn_backlog", "2048", "net.ipv4.tcp_max_syn_backlog", "15625")]
    [InlineData("net/ipv4/tcp_mem", "287901 383868 575802", "net.ipv4.tcp_mem", "500000 750000 1000000")]
    [InlineData("kernel/io_uring_disabled", "2", "kernel.io_uring_disabled", "0")]
    [InlineData("net/ipv4/ip_local_port_range", "1024 65535", "net.ipv4.ip_local_reserved_ports", "5240-5249")]
    public void What_lacks_is_named_with_what_it_should_be_and_apply_sets_it(string file, string value, string setting, string shouldBe)
    {
        Set(file, value);

        var (exit, output) = Run("--check", "--connections", "1M");
        Assert.Equal(1, exit);
        Assert.Equal([setting], Lacking(output));
        Assert.Contains(shouldBe, output, StringComparison.Ordinal);
        Assert.Equal(value, Get(file));

        (exit, output) = Run("--apply", "--connections", "1M");
        Assert.True(exit == 0, output);
        Assert.Contains($"set    {setting} = {shouldBe}", output, StringComparison.Ordinal);
        Assert.Equal(shouldBe, Get(setting.Replace('.', '/')));
    }

    [Fact]
    public void With_epoll_a_process_needs_as_many_open_files_as_connections_and_systemds_line_is_told()
    {
        var (exit, output) = Run("--apply", "--connections", "200k", "--io", "epoll");

        Assert.Equal(1, exit);
        Assert.Equal(["open files (ulimit -Hn)"], Lacking(output));
        Assert.Contains("LimitNOFILE=204096", output, StringComparison.Ordinal);
    }

    [Fact]
    public void With_the_load_on_the_same_machine_both_ends_count()
    {
        Assert.Equal(0, Run("--check", "--connections", "2M").Exit);
        var (_, output) = Run("--check", "--connections", "2M", "--with-load");

        Assert.Equal(["fs.file-max", "net.ipv4.tcp_mem"], Lacking(output));
        Assert.Contains("4265536", output, StringComparison.Ordinal);
    }

    [Fact]
    public void Memory_that_does_not_suffice_is_told_with_the_number_that_fits()
    {
        Write("proc/meminfo", "MemTotal:       2097152 kB\nMemAvailable:   1048576 kB\n");
        var (exit, output) = Run("--check", "--connections", "1M");

        Assert.Equal(1, exit);
        Assert.Contains("memory available, MiB", Lacking(output));
        Assert.Contains($"{512L * 1048576 / 4600} connections fit", output, StringComparison.Ordinal);
    }

    [Fact]
    public void Tracked_connections_need_room_in_the_table_only_where_any_are_tracked()
    {
        Set("net/netfilter/nf_conntrack_max", "262144");
        Set("net/netfilter/nf_conntrack_count", "0");
        Assert.Equal(0, Run("--check", "--connections", "1M").Exit);

        Set("net/netfilter/nf_conntrack_count", "7");
        Assert.Equal(["net.netfilter.nf_conntrack_max"], Lacking(Run("--check", "--connections", "1M").Output));
    }

    [Fact]
    public void Persist_writes_what_a_reboot_reads_and_lowers_nothing()
    {
        Set("fs/file-max", "100000");
        var (exit, output) = Run("--apply", "--persist", "--connections", "100k");

        Assert.True(exit == 0, output);
        var lines = File.ReadAllLines(_machine.File("etc/sysctl.d/90-gateway.conf"));
        Assert.Contains("fs.file-max = 170536", lines);
        Assert.Contains("net.core.somaxconn = 65535", lines);
        Assert.Contains("net.ipv4.tcp_mem = 1000000 1500000 2000000", lines);
    }

    [Theory]
    [InlineData]
    [InlineData("--check", "--connections", "many")]
    [InlineData("--check", "--io", "carrier-pigeon")]
    [InlineData("--chek")]
    public void Wrong_usage_ends_with_2(params string[] arguments) => Assert.Equal(2, Run(arguments).Exit);

    private (int Exit, string Output) Run(params string[] arguments)
    {
        var start = new ProcessStartInfo("bash", [RepositoryRoot.File("tools", "ops", "tune.sh"), .. arguments, .. arguments.Length == 0 ? [] : (string[])["--root", _machine.Path]])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var script = Process.Start(start)!;
        var errors = script.StandardError.ReadToEndAsync();
        var output = script.StandardOutput.ReadToEnd() + errors.Result;
        script.WaitForExit();
        return (script.ExitCode, output);
    }

    /// <summary>The table's columns: a mark of 6, a setting of 34, two values of 24, the reason.</summary>
    private static string[] Lacking(string output) =>
        [.. output.Split('\n').Where(l => l.StartsWith("LACKS", StringComparison.Ordinal)).Select(l => l.Substring(7, 34).Trim())];

    private static string ReasonOf(string output, string setting) =>
        output.Split('\n').First(l => l.Length > 92 && l[7..].Contains(setting, StringComparison.Ordinal))[92..].Trim();

    private void Set(string setting, string value) => Write($"proc/sys/{setting}", value + "\n");

    private string Get(string setting) => File.ReadAllText(_machine.File($"proc/sys/{setting}")).Trim();

    private void Write(string file, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_machine.File(file))!);
        File.WriteAllText(_machine.File(file), text);
    }
}
