using System.ComponentModel;
using System.Globalization;
using System.Text.RegularExpressions;
using Gateway.Protocol;
using Gateway.Server;
using Gateway.Tests.EndToEnd;
using Gateway.Tests.Repository;
using Gateway.Tests.Transport;
using Xunit;

namespace Gateway.Tests.Ops;

/// <summary>tools/ops/systemd/gateway.service: systemd's own tool accepts it, its sandbox is tight, and a node works under its filter of system calls.</summary>
public sealed partial class UnitTests : IDisposable
{
    private const string InstalledProgram = "/opt/gateway/gateway";

    private static readonly string Unit = RepositoryRoot.File("tools", "ops", "systemd", "gateway.service");
    private static readonly Address Alice = new(AddressKind.User, 15550001);
    private static readonly Address Bob = new(AddressKind.User, 15550002);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [SystemdFact]
    public void Systemd_finds_nothing_wrong_with_it()
    {
        var (exit, said) = DebianPackage.Run("systemd-analyze", "", "verify", "--man=no", Built());
        Assert.Equal((0, ""), (exit, said));
    }

    [SystemdFact]
    public void Systemd_is_heard_when_something_is_wrong()
    {
        var wrong = _folder.Write("wrong.service", File.ReadAllText(Built()).Replace("ProtectSystem=strict", "ProtectSystm=strict", StringComparison.Ordinal));
        var (_, said) = DebianPackage.Run("systemd-analyze", "", "verify", "--man=no", wrong);
        Assert.Contains("ProtectSystm", said, StringComparison.Ordinal);
    }

    [SystemdFact]
    public void Little_of_the_system_is_open_to_it()
    {
        // In tenths of systemd's exposure level, of which 0 is nothing and 100 everything.
        var (exit, said) = DebianPackage.Run("systemd-analyze", "", "security", "--offline=true", "--threshold=20", Built());
        Assert.True(exit == 0, said);
    }

    [Fact]
    public void It_notifies_waits_for_the_drain_and_passes_options_that_the_program_knows()
    {
        var unit = File.ReadAllText(Unit);
        Assert.Contains("\nType=notify\n", unit, StringComparison.Ordinal);
        Assert.Contains("\nExecReload=/bin/kill -HUP $MAINPID\n", unit, StringComparison.Ordinal);
        Assert.Contains($"\nRestartPreventExitStatus={ExitCode.BadOptions}\n", unit, StringComparison.Ordinal);
        var stop = int.Parse(StopPattern().Match(unit).Groups[1].Value, CultureInfo.InvariantCulture);
        Assert.True(stop > GatewayOptions.Default.DrainTime.TotalSeconds + 10, $"{stop} s do not hold a drain");

        var arguments = ExecPattern().Match(unit).Groups[1].Value
            .Replace("/etc/gateway/gateway.json", _folder.Write("gateway.json", "{}"), StringComparison.Ordinal).Replace("/var/lib/gateway", _folder.File("data"), StringComparison.Ordinal);
        var (exit, said) = DebianPackage.Run(ChildProgram.Built("src/Gateway.Server", "gateway"), "", ["check-config", .. arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries)]);
        Assert.True(exit == 0, said);
    }

    [SystemdFact]
    public Task A_node_with_epoll_works_under_its_filter_of_system_calls() => WorksUnderFilterAsync("epoll");

    [SystemdFact(Uring = true)]
    public Task A_node_with_io_uring_works_under_its_filter_of_system_calls() => WorksUnderFilterAsync("uring");

    private async Task WorksUnderFilterAsync(string io)
    {
        await using var node = ChildProgram.StartFile(
            "python3", _folder.Path,
            [
                RepositoryRoot.File("tools", "ops", "systemd", "under-filter.py"), Unit, ChildProgram.Built("src/Gateway.Server", "gateway"), "--data", _folder.File("data"), "--io", io,
                "--native-listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0", "--reactors", "2", "--segment-size", "8MiB", "--log-memory", "8MiB", "--max-connections", "1000",
            ],
            []);
        var native = await node.WaitForLineAsync(l => l.StartsWith("native", StringComparison.Ordinal), TimeSpan.FromMinutes(2));
        await node.WaitForLineAsync(l => l == "gateway ready", TimeSpan.FromMinutes(2));
        var status = await File.ReadAllTextAsync($"/proc/{node.Id}/status");
        Assert.Contains("\nSeccomp:\t2\n", status, StringComparison.Ordinal); // SECCOMP_MODE_FILTER: it is the filtered program that answers

        var port = int.Parse(native[(native.LastIndexOf(':') + 1)..], CultureInfo.InvariantCulture);
        var secret = Convert.FromHexString((await File.ReadAllTextAsync(_folder.File("data/secret"))).Trim());
        using var alice = new WireDevice(port).LogIn(Alice, KeyOf(Alice));
        using var bob = new WireDevice(port).LogIn(Bob, KeyOf(Bob));
        alice.Send(Bob, 1, "hello"u8);
        alice.Expect(FrameType.Accepted);
        Assert.True(DeliverFrame.TryParse(bob.Expect(FrameType.Deliver), out var delivered, out _));
        bob.Acknowledge(delivered.Sequence);
        alice.Expect(FrameType.Receipt);
        alice.Dispose();
        bob.Dispose();

        node.Terminate();
        Assert.Equal(ExitCode.Ok, await node.WaitForExitAsync());

        byte[] KeyOf(Address device)
        {
            var key = new byte[DeviceKey.KeyBytes];
            DeviceKey.Derive(secret, device, 0, key);
            return key;
        }
    }

    /// <summary>The unit, with the program that was built with the tests in the place of the installed one.</summary>
    private string Built()
    {
        var unit = File.ReadAllText(Unit);
        Assert.Contains(InstalledProgram, unit, StringComparison.Ordinal);
        return _folder.Write("gateway.service", unit.Replace(InstalledProgram, ChildProgram.Built("src/Gateway.Server", "gateway"), StringComparison.Ordinal));
    }

    [GeneratedRegex("^TimeoutStopSec=([0-9]+)s$", RegexOptions.Multiline)]
    private static partial Regex StopPattern();

    [GeneratedRegex("^ExecStart=/opt/gateway/gateway (.*)$", RegexOptions.Multiline)]
    private static partial Regex ExecPattern();
}

/// <summary>Why there is no systemd-analyze, or null. It needs no running systemd.</summary>
internal static class SystemdAnalyze
{
    public static string? Missing { get; } = Find();

    private static string? Find()
    {
        try
        {
            return DebianPackage.Run("systemd-analyze", "", "--version").ExitCode == 0 ? null : "systemd-analyze does not run";
        }
        catch (Win32Exception)
        {
            return "systemd-analyze of the package systemd is not installed";
        }
    }
}

/// <summary>A test that needs systemd's tool, without which it is skipped with the reason.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class SystemdFactAttribute : FactAttribute
{
    private readonly bool _uring;

    public SystemdFactAttribute() => Skip = SystemdAnalyze.Missing;

    /// <summary>It needs io_uring too.</summary>
    public bool Uring
    {
        get => _uring;
        init
        {
            _uring = value;
            if (value) Skip ??= Backends.UringMissing;
        }
    }
}
