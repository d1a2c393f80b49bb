using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Gateway.Tests.Repository;
using Xunit;

namespace Gateway.Tests.Ops;

/// <summary>tools/ops/up.sh: what it starts answers, Prometheus scrapes the node and knows the Alertmanager, and all of it ends with it.</summary>
public sealed partial class UpTests : IDisposable
{
    private const int Sigint = 2;

    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(2);
    private static readonly string Script = RepositoryRoot.File("tools", "ops", "up.sh");

    private readonly TemporaryFolder _folder = new();
    private readonly HttpClient _http = new();

    public void Dispose()
    {
        _http.Dispose();
        _folder.Dispose();
    }

    [AlertingFact]
    public async Task One_command_starts_all_three_and_one_signal_ends_them_and_nothing_else()
    {
        await using var bystander = await NodeProcess.StartSmallAsync(_folder.File("bystander"), reactors: 1);
        await using var up = Start("--data", _folder.File("data"));
        await up.WaitForLineAsync(l => l.StartsWith("Ctrl-C ends", StringComparison.Ordinal), Deadline);
        var urls = UrlPattern().Matches(up.Output).Select(m => m.Groups[1].Value).ToList(); // operator, prometheus, alertmanager
        Assert.Equal(3, urls.Count);
        await UntilAsync($"{urls[0]}/readyz", _ => true);
        await UntilAsync($"{urls[1]}/api/v1/targets", t => t.Contains("\"health\":\"up\"", StringComparison.Ordinal));
        await UntilAsync($"{urls[1]}/api/v1/alertmanagers", t => t.Contains(urls[2], StringComparison.Ordinal));
        Assert.Contains("\"gateway_queues\"", await _http.GetStringAsync($"{urls[1]}/api/v1/rules"), StringComparison.Ordinal);
        var children = ChildrenOf(up.Id);
        Assert.Equal(3, children.Count);
        // The node's own alerts go there too, under the name that Prometheus has for it.
        Assert.Single(children, id => File.ReadAllText($"/proc/{id}/cmdline").Contains($"--alert-webhook={urls[2]}\0", StringComparison.Ordinal));
        await UntilAsync($"{urls[1]}/api/v1/targets", t => t.Contains($"\"instance\":\"{urls[0]["http://".Length..]}\"", StringComparison.Ordinal));

        Signal(up.Id, Sigint);

        Assert.Equal(0, await up.WaitForExitAsync(Deadline));
        Assert.All(children, id => Assert.False(Directory.Exists($"/proc/{id}"), $"{id} is still there: {up.Errors}"));
        Assert.Contains("Drained and committed", await File.ReadAllTextAsync(_folder.File("data/logs/node.log")), StringComparison.Ordinal);
        Assert.False(bystander.Program.HasExited);
    }

    [AlertingFact]
    public async Task When_one_of_the_three_ends_so_do_the_others_and_it_says_which()
    {
        await using var up = Start();
        await up.WaitForLineAsync(l => l.StartsWith("Ctrl-C ends", StringComparison.Ordinal), Deadline);
        var data = DataPattern().Match(up.Output).Groups[1].Value;
        Assert.True(Directory.Exists(data));
        var children = ChildrenOf(up.Id);

        Signal(children.Single(id => File.ReadAllText($"/proc/{id}/cmdline").Contains("tsdb", StringComparison.Ordinal)), Sigint);

        Assert.Equal(1, await up.WaitForExitAsync(Deadline));
        Assert.Contains("prometheus has ended by itself", up.Errors, StringComparison.Ordinal);
        Assert.All(children, id => Assert.False(Directory.Exists($"/proc/{id}"), $"{id} is still there"));
        Assert.False(Directory.Exists(data), "its temporary folder is still there");
    }

    [AlertingFact]
    public async Task A_port_in_use_is_told_and_nothing_stays()
    {
        await using var node = await NodeProcess.StartSmallAsync(_folder.File("node"), reactors: 1);
        await using var up = Start("--native-port", $"{node.NativePort}");
        Assert.Equal(1, await up.WaitForExitAsync(Deadline));
        Assert.Contains("node did not start", up.Errors, StringComparison.Ordinal);
        Assert.Contains("cannot be bound", up.Errors, StringComparison.Ordinal);
        Assert.Equal("", up.Output);
    }

    [Fact]
    public async Task Without_the_packages_it_says_how_to_get_them()
    {
        // A PATH with what the script itself needs, and no Prometheus.
        foreach (var tool in new[] { "bash", "dirname", "basename", "cat", "env" }) File.CreateSymbolicLink(_folder.File(tool), $"/usr/bin/{tool}");
        await using var up = ChildProgram.StartFile("/bin/bash", _folder.Path, [Script, "--gateway", "/bin/true"], [("PATH", _folder.Path)]);
        Assert.Equal(1, await up.WaitForExitAsync(Deadline));
        Assert.Contains("prometheus is not installed. Debian has it: apt-get install prometheus prometheus-alertmanager", up.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--no-such-option")]
    [InlineData("--data")]
    [InlineData("--native-port", "65536")]
    [InlineData("--prometheus-port", "http")]
    public async Task Wrong_usage_is_2(params string[] arguments)
    {
        await using var up = ChildProgram.StartFile("/bin/bash", _folder.Path, [Script, .. arguments], []);
        Assert.Equal(2, await up.WaitForExitAsync(Deadline));
    }

    /// <summary>On ports of its own, with the node that was built with the tests.</summary>
    private ChildProgram Start(params string[] options)
    {
        string[] packages = Path.IsPathRooted(AlertingPackages.Alertmanager) ? ["--bin", Path.GetDirectoryName(AlertingPackages.Alertmanager)!] : [];
        var path = Path.GetDirectoryName(AlertingPackages.Prometheus) + ":" + Environment.GetEnvironmentVariable("PATH");
        // Whoever runs the tests in the background of a script has them ignore SIGINT, and what a shell ignored from its start it cannot trap: bash(1), trap.
        return ChildProgram.StartFile(
            "/usr/bin/env", _folder.Path,
            [
                "--default-signal=INT", "/bin/bash", Script, "--gateway", ChildProgram.Built("src/Gateway.Server", "gateway"), "--native-port", "0", "--operator-port", "0", "--prometheus-port", "0", "--alertmanager-port", "0",
                "--node-option", "--segment-size=8MiB", "--node-option", "--log-memory=8MiB", "--node-option", "--pin-reactors=off", "--node-option", "--reactors=1",
                .. packages, .. options,
            ],
            [("PATH", path), ("GOMAXPROCS", "1")]);
    }

    private async Task UntilAsync(string url, Func<string, bool> holds)
    {
        var deadline = DateTime.UtcNow + Deadline;
        while (true)
        {
            using var answer = await _http.GetAsync(new Uri(url));
            var text = await answer.Content.ReadAsStringAsync();
            if (answer.IsSuccessStatusCode && holds(text)) return;
            Assert.True(DateTime.UtcNow < deadline, $"{url}: {text}");
            await Task.Delay(100);
        }
    }

    /// <summary>proc(5), task/PID/children.</summary>
    private static IReadOnlyList<int> ChildrenOf(int id) =>
        [.. File.ReadAllText($"/proc/{id}/task/{id}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse)];

    private static void Signal(int process, int signal)
    {
        if (Kill(process, signal) != 0) throw new InvalidOperationException($"kill: {Marshal.GetLastPInvokeErrorMessage()}");
    }

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Kill(int process, int signal);

    [GeneratedRegex(@"(http://[0-9.]+:[0-9]+)/")]
    private static partial Regex UrlPattern();

    [GeneratedRegex(@"^data +(\S+) \(goes", RegexOptions.Multiline)]
    private static partial Regex DataPattern();
}
