using System.Net;
using System.Runtime.InteropServices;
using Gateway.Server;
using Gateway.Server.Hosting;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Gateway.Tests.Server;

/// <summary>The life of a node in its process, with a scripted node and signals called by hand: order of lines, drain, ends and exit codes.</summary>
public sealed class NodeHostTests : IDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);
    private readonly TemporaryFolder _folder = new();
    private readonly FakeNode _node = new();
    private static readonly MachineFacts Machine = new(20_000, 1_048_576, 2_000_000, 1_000, 24L << 30, MemoryOfGroup: false);

    private readonly SignallingWriter _output = new();
    private readonly StringWriter _errors = new();
    private readonly List<int> _exits = [];
    private readonly TerminationSignals _signals;

    public NodeHostTests() => _signals = new TerminationSignals(_exits.Add);

    public void Dispose()
    {
        _signals.Dispose();
        _output.Dispose();
        _errors.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task A_node_prints_its_endpoints_then_ready_drains_at_a_signal_and_ends_with_0()
    {
        var run = Run();
        await _output.SeenAsync("gateway ready").WaitAsync(Deadline);
        Assert.Matches(@"^native  tcp://127\.0\.0\.1:5240\noperator  http://127\.0\.0\.1:[0-9]+\nroom for 19,488 connections; what limits it is open files\n(  .+\n){5}gateway ready\n$", _output.Text);

        _signals.OnSignal(PosixSignal.SIGTERM);

        Assert.Equal(ExitCode.Ok, await run.WaitAsync(Deadline));
        Assert.Equal(["start", "drain 7s", "dispose"], _node.Calls);
        Assert.Empty(_exits);
    }

    [Fact]
    public async Task While_it_drains_the_operator_is_told_and_a_second_signal_ends_at_once()
    {
        var drained = new TaskCompletionSource();
        _node.DrainGate = drained.Task;
        var run = Run();
        await _output.SeenAsync("gateway ready").WaitAsync(Deadline);
        using var http = new HttpClient { BaseAddress = new Uri(_output.Text.Split('\n')[1]["operator  ".Length..]) };
        Assert.Equal(HttpStatusCode.OK, (await http.GetAsync("/readyz")).StatusCode);

        _signals.OnSignal(PosixSignal.SIGTERM);
        while ((await http.GetAsync("/readyz")).StatusCode != HttpStatusCode.ServiceUnavailable) await Task.Delay(10);
        Assert.Equal(HttpStatusCode.OK, (await http.GetAsync("/livez")).StatusCode);
        Assert.Empty(_exits);

        _signals.OnSignal(PosixSignal.SIGTERM);
        _signals.OnSignal(PosixSignal.SIGINT);
        Assert.Equal([143, 130], _exits);

        drained.SetResult();
        Assert.Equal(ExitCode.Ok, await run.WaitAsync(Deadline));
    }

    [Fact]
    public async Task A_signal_before_ready_gives_the_start_up_and_ends_with_0()
    {
        _node.StartGate = new TaskCompletionSource().Task;
        var run = Run();
        while (!_node.Calls.Contains("start")) await Task.Delay(5).WaitAsync(Deadline);

        _signals.OnSignal(PosixSignal.SIGINT);

        Assert.Equal(ExitCode.Ok, await run.WaitAsync(Deadline));
        Assert.Equal(["start", "dispose"], _node.Calls);
        Assert.Equal("", _output.Text);
    }

    [Fact]
    public async Task A_start_that_fails_for_a_reason_is_one_line_and_3()
    {
        _node.StartError = new NodeStartException("native-listen: 127.0.0.1:5240 cannot be bound: address already in use");

        Assert.Equal(ExitCode.CannotStart, await Run().WaitAsync(Deadline));
        Assert.Equal("gateway: cannot start: native-listen: 127.0.0.1:5240 cannot be bound: address already in use\n", _errors.ToString());
        Assert.Equal("", _output.Text);
    }

    [Fact]
    public async Task A_start_that_fails_for_no_known_reason_is_the_programs_own_error()
    {
        _node.StartError = new InvalidOperationException("impossible");

        await Assert.ThrowsAsync<InvalidOperationException>(() => Run().WaitAsync(Deadline));
        Assert.Contains("dispose", _node.Calls);
    }

    [Fact]
    public async Task A_fail_stop_ends_with_4_and_without_a_drain()
    {
        var run = Run();
        await _output.SeenAsync("gateway ready").WaitAsync(Deadline);

        _node.FailStop(new IOException("fdatasync: Input/output error"));

        Assert.Equal(ExitCode.FailStop, await run.WaitAsync(Deadline));
        Assert.Equal(["start", "dispose"], _node.Calls);
    }

    [Fact]
    public async Task A_fail_stop_during_the_drain_ends_with_4()
    {
        _node.DrainGate = new TaskCompletionSource().Task;
        var run = Run();
        await _output.SeenAsync("gateway ready").WaitAsync(Deadline);
        _signals.OnSignal(PosixSignal.SIGTERM);
        while (!_node.Calls.Contains("drain 7s")) await Task.Delay(5).WaitAsync(Deadline);

        _node.FailStop(new IOException("fdatasync: Input/output error"));

        Assert.Equal(ExitCode.FailStop, await run.WaitAsync(Deadline));
    }

    [Fact]
    public async Task A_drain_that_fails_ends_with_4()
    {
        _node.DrainGate = Task.FromException(new IOException("no commit"));
        var run = Run();
        await _output.SeenAsync("gateway ready").WaitAsync(Deadline);

        _signals.OnSignal(PosixSignal.SIGTERM);

        Assert.Equal(ExitCode.FailStop, await run.WaitAsync(Deadline));
    }

    [Fact]
    public async Task A_node_that_never_lets_go_does_not_keep_the_process()
    {
        _node.DisposeGate = new TaskCompletionSource().Task;
        var run = Run();
        await _output.SeenAsync("gateway ready").WaitAsync(Deadline);

        _node.FailStop(new IOException("the device hangs"));

        Assert.Equal(ExitCode.FailStop, await run.WaitAsync(Deadline));
    }

    [Fact]
    public async Task A_secret_that_others_can_read_ends_with_3_before_anything_is_built()
    {
        File.SetUnixFileMode(_folder.Write("secret", new string('0', 64)), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherRead);

        Assert.Equal(ExitCode.CannotStart, await Run().WaitAsync(Deadline));
        Assert.StartsWith("gateway: cannot start: ", _errors.ToString(), StringComparison.Ordinal);
        Assert.Empty(_node.Calls);
    }

    private Task<int> Run()
    {
        var options = GatewayOptions.Default with
        {
            Data = _folder.Path,
            NativeListen = new IPEndPoint(IPAddress.Loopback, 0),
            OperatorListen = new IPEndPoint(IPAddress.Loopback, 0),
            DrainTime = TimeSpan.FromSeconds(7),
            // The log goes to this process's stderr; what is logged has tests of its own.
            LogLevel = LogLevel.None,
        };
        return Task.Run(() => new NodeHost(options, (_, _, _) => _node, _signals, _output, _errors, ServiceNotifier.None, TimeProvider.System, () => Machine).RunAsync([]));
    }

    /// <summary>Text that tells when a line has come.</summary>
    private sealed class SignallingWriter : StringWriter
    {
        private readonly Lock _gate = new();
        private readonly TaskCompletionSource _seen = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private string? _wanted;

        public string Text
        {
            get
            {
                lock (_gate) return ToString();
            }
        }

        public Task SeenAsync(string text)
        {
            lock (_gate)
            {
                _wanted = text;
                if (ToString().Contains(text, StringComparison.Ordinal)) _seen.TrySetResult();
            }

            return _seen.Task;
        }

        public override Task WriteLineAsync(string? value)
        {
            lock (_gate)
            {
                WriteLine(value);
                if (_wanted is not null && ToString().Contains(_wanted, StringComparison.Ordinal)) _seen.TrySetResult();
            }

            return Task.CompletedTask;
        }
    }
}
