using System.Diagnostics;
using System.Globalization;
using Gateway.Protocol;
using Gateway.Tests.Repository;
using Xunit;
using Xunit.Abstractions;

namespace Gateway.Tests.EndToEnd;

/// <summary>The client in Python, written by somebody who had seen only PROTOCOL.md and the vectors, against the node and the .NET tools.</summary>
public sealed class PythonInteropTests : IDisposable
{
    private const int Lines = 2_000;

    private static readonly Address Alice = new(AddressKind.User, 15550001);
    private static readonly Address Bob = new(AddressKind.User, 15550002);

    private readonly TemporaryFolder _folder = new();
    private readonly ITestOutputHelper _output;

    public PythonInteropTests(ITestOutputHelper output) => _output = output;

    public void Dispose() => _folder.Dispose();

    [PythonTheory]
    [OneAndEightReactors("test_vectors", "test_client", "test_node")]
    public async Task Its_own_tests_pass(int reactors, string module)
    {
        await using var node = new NodeProcess(_folder.File("data"), "--reactors", $"{reactors}");
        await node.StartAsync();
        await RunAsync(node, "-W", "error::SyntaxWarning", "-m", "unittest", "-v", module);
    }

    [PythonTheory]
    [OneAndEightReactors(true, false)]
    public async Task Lines_cross_between_Python_and_NET_in_order_once(int reactors, bool fromPython)
    {
        await using var node = new NodeProcess(_folder.File("data"), "--reactors", $"{reactors}");
        await node.StartAsync();
        var aliceKey = node.WriteKeyFile(_folder.Path, Alice);
        var bobKey = node.WriteKeyFile(_folder.Path, Bob);
        var sent = _folder.File("sent.txt");
        var received = _folder.File("received.txt");
        await File.WriteAllLinesAsync(sent, Enumerable.Range(1, Lines).Select(n => $"line {n} of {Lines}: αβγ ✓"));
        var port = node.NativePort.ToString(CultureInfo.InvariantCulture);
        var count = Lines.ToString(CultureInfo.InvariantCulture);

        if (fromPython)
        {
            await using var tail = ChildProgram.Start("tools/gatewayctl", "gatewayctl", _folder.Path,
                "tail", "--as", Bob.ToString(), "--key-file", bobKey, "--out", received, "--count", count, "--state", _folder.File("bob"), "--server", $"127.0.0.1:{port}");
            await RunAsync(node, "interop.py", "send", "--host", "127.0.0.1", "--port", port, "--key-file", aliceKey, "--to", Bob.ToString(),
                "--state", _folder.File("alice.db"), "--lines", sent);
            Assert.Equal(0, await tail.WaitForExitAsync(TimeSpan.FromMinutes(2)));
        }
        else
        {
            await using var replay = ChildProgram.Start("tools/gatewayctl", "gatewayctl", _folder.Path,
                "replay", sent, "--from", Alice.ToString(), "--from-key", aliceKey, "--to", Bob.ToString(), "--state", _folder.File("alice"), "--server", $"127.0.0.1:{port}");
            await RunAsync(node, "interop.py", "receive", "--host", "127.0.0.1", "--port", port, "--key-file", bobKey,
                "--state", _folder.File("bob.db"), "--count", count, "--out", received);
            Assert.Equal(0, await replay.WaitForExitAsync(TimeSpan.FromMinutes(2)));
        }

        Assert.Equal(await File.ReadAllLinesAsync(sent), await File.ReadAllLinesAsync(received));
    }

    private async Task RunAsync(NodeProcess node, params string[] arguments)
    {
        var start = new ProcessStartInfo("python3")
        {
            WorkingDirectory = RepositoryRoot.File("tests", "python-client"),
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var argument in arguments) start.ArgumentList.Add(argument);
        start.Environment["PYTHONDONTWRITEBYTECODE"] = "1";
        start.Environment["GATEWAY_HOST"] = "127.0.0.1";
        start.Environment["GATEWAY_PORT"] = node.NativePort.ToString(CultureInfo.InvariantCulture);
        start.Environment["GATEWAY_SECRET"] = Path.Combine(node.Data, "secret");
        start.Environment["GATEWAY_VECTORS"] = RepositoryRoot.File("src", "Gateway.Protocol", "protocol-vectors.json");
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(4));
        try
        {
            await process.WaitForExitAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
        }

        _output.WriteLine(await output);
        _output.WriteLine(await errors);
        Assert.True(process.ExitCode == 0, $"python3 {string.Join(' ', arguments)} ended with {process.ExitCode}\n{await output}\n{await errors}");
    }
}

/// <summary>A theory that needs Python 3.11 or later; without it it is skipped with that reason, under CI it fails.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class PythonTheoryAttribute : TheoryAttribute
{
    private static readonly Lazy<string?> Missing = new(() =>
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo("python3", ["-c", "import sys, sqlite3; sys.exit(sys.version_info < (3, 11))"])
            {
                RedirectStandardError = true,
            })!;
            process.WaitForExit();
            return process.ExitCode == 0 ? null : "python3 is older than 3.11 or lacks sqlite3";
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return "python3 is not installed";
        }
    });

    public PythonTheoryAttribute()
    {
        if (Missing.Value is not null && Environment.GetEnvironmentVariable("CI") != "true") Skip = Missing.Value;
    }
}
