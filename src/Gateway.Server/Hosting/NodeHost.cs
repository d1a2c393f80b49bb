using System.Reflection;
using System.Runtime.InteropServices;
using Gateway.Server.Health;
using Gateway.Server.Operator;
using Gateway.Server.Options;
using Microsoft.Extensions.Logging;

namespace Gateway.Server.Hosting;

/// <summary>
/// The life of one node in this process: secret, operator HTTP, node, <c>gateway ready</c>, then a signal or a fail stop, then the exit
/// code. One task runs it from start to end; signals and the node's failure arrive as tasks.
/// </summary>
internal sealed class NodeHost
{
    /// <summary>What a node that has failed, or drained, gets to let go of its threads and files. The process ends either way.</summary>
    private static readonly TimeSpan DisposeLimit = TimeSpan.FromSeconds(5);

    private readonly GatewayOptions _options;
    private readonly NodeBuilder _createNode;
    private readonly TerminationSignals _signals;
    private readonly TextWriter _output;
    private readonly TextWriter _errors;
    private readonly ServiceNotifier _manager;
    private readonly TimeProvider _time;
    private readonly Func<MachineFacts> _machine;

    /// <param name="options">Checked.</param>
    /// <param name="createNode">Called once, before anything is bound.</param>
    /// <param name="signals">Registered by the caller.</param>
    /// <param name="output">Endpoint lines and 'gateway ready'.</param>
    /// <param name="errors">Why it could not start, one line.</param>
    /// <param name="manager">Of services; hears of readiness, of the end, and that the node lives. Whoever made it disposes it.</param>
    /// <param name="time">For uptime and limits.</param>
    /// <param name="machine">Asked once the node runs, when what it found on the disk has its memory.</param>
    public NodeHost(
        GatewayOptions options, NodeBuilder createNode, TerminationSignals signals, TextWriter output, TextWriter errors,
        ServiceNotifier manager, TimeProvider time, Func<MachineFacts> machine)
    {
        _options = options;
        _createNode = createNode;
        _signals = signals;
        _output = output;
        _errors = errors;
        _manager = manager;
        _time = time;
        _machine = machine;
    }

    /// <summary>This build's version as <c>--version</c> and <c>/status</c> show it.</summary>
    public static string Version { get; } =
        typeof(NodeHost).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";

    /// <summary>What it runs with, and how to read that again at SIGHUP; null: SIGHUP is not for this host.</summary>
    public (OptionValues Running, Func<OptionResolution> Read)? Configuration { get; init; }

    /// <summary>Runs until the node has ended; returns the exit code.</summary>
    /// <param name="notes">About the options, logged first.</param>
    public async Task<int> RunAsync(IReadOnlyList<string> notes)
    {
        var level = new LogLevelSwitch(_options.LogLevel);
        using var logs = NodeLogging.Create(_options.LogFormat, level);
        var log = logs.CreateLogger<NodeHost>();
        try
        {
            foreach (var note in notes) log.LogInformation("{Note}", note);
            EndpointProbe.RequireFree(OptionTable.NativeListen.Name, _options.NativeListen);
            var keys = SecretFile.OpenOrCreate(_options.Data);
            var node = _createNode(_options, keys, logs);
            try
            {
                await using var health = new NodeHealth(node, _options, keys, logs, _time);
                using var reload = ReloadAtSignal(health, level, log);
                health.Start();
                await using var http = await OperatorServer.StartAsync(node, health, _options, keys, level, logs, Version, _time);
                health.AnswersAt(http.Endpoint);
                return await ServeAsync(node, http, log);
            }
            finally
            {
                await DisposeAsync(node, log);
            }
        }
        catch (NodeStartException e)
        {
            await _errors.WriteLineAsync($"gateway: cannot start: {e.Message}");
            log.LogDebug(e, "The start failed");
            return ExitCode.CannotStart;
        }
    }

    private PosixSignalRegistration? ReloadAtSignal(NodeHealth health, LogLevelSwitch level, ILogger log)
    {
        if (Configuration is not { } configuration) return null;
        var reload = new OptionReload(configuration.Running, configuration.Read, Apply, log);
        return PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal =>
        {
            signal.Cancel = true;
            reload.Reload();
        });

        void Apply(GatewayOptions options, IReadOnlyList<Option> changed)
        {
            health.Thresholds = options.Alerts;
            // An operator's change stands unless the configuration itself says otherwise.
            if (changed.Contains(OptionTable.Level)) level.Level = options.LogLevel;
        }
    }

    private async Task<int> ServeAsync(INode node, OperatorServer http, ILogger log)
    {
        if (!await StartAsync(node, log)) return ExitCode.Ok;
        foreach (var line in node.EndpointLines) await _output.WriteLineAsync(line);
        await _output.WriteLineAsync(http.EndpointLine);
        foreach (var line in ConnectionRoom.Of(_options, node.Backend, _machine()).Lines) await _output.WriteLineAsync(line);
        await _output.WriteLineAsync("gateway ready");
        await _output.FlushAsync();
        _manager.Ready();

        using var ended = new CancellationTokenSource();
        var life = _manager.GiveSignsOfLifeAsync(() => node.StalledFor < HealthEndpoints.DeadlockAfter, ended.Token);
        try
        {
            await Task.WhenAny(_signals.First, node.Failed);
            if (node.Failed.IsCompleted) return await FailStopAsync(node, log);
            return await DrainAsync(node, await _signals.First, log);
        }
        finally
        {
            await ended.CancelAsync();
            await life;
        }
    }

    /// <summary>False when a signal came before the node was ready.</summary>
    private async Task<bool> StartAsync(INode node, ILogger log)
    {
        using var cancel = new CancellationTokenSource();
        var start = node.StartAsync(cancel.Token);
        if (await Task.WhenAny(start, _signals.First) != start)
        {
            log.LogInformation("{Signal} before the node was ready: the start is given up", await _signals.First);
            await cancel.CancelAsync();
        }

        try
        {
            await start;
            return true;
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            return false;
        }
    }

    private async Task<int> DrainAsync(INode node, PosixSignal signal, ILogger log)
    {
        log.LogInformation("{Signal}: draining for at most {Limit}; a second signal ends at once", signal, _options.DrainTime);
        _manager.Stopping("draining");
        var started = _time.GetTimestamp();
        var drain = node.DrainAsync(_options.DrainTime, CancellationToken.None);
        await Task.WhenAny(drain, node.Failed);
        if (node.Failed.IsCompleted) return await FailStopAsync(node, log);
        try
        {
            await drain;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            log.LogCritical(e, "The drain failed: what was not answered may be lost, what was answered is durable");
            return ExitCode.FailStop;
        }

        log.LogInformation("Drained and committed in {Elapsed}", _time.GetElapsedTime(started));
        return ExitCode.Ok;
    }

    private async Task<int> FailStopAsync(INode node, ILogger log)
    {
        var cause = await node.Failed;
        _manager.Status($"failed stop: {cause.Message}");
        log.LogCritical(cause, "The node failed stop: it answers nothing more, and what it answered is durable");
        return ExitCode.FailStop;
    }

    private async Task DisposeAsync(INode node, ILogger log)
    {
        try
        {
            await node.DisposeAsync().AsTask().WaitAsync(DisposeLimit, _time);
        }
        catch (TimeoutException)
        {
            log.LogWarning("The node did not let go within {Limit}; the process ends without it", DisposeLimit);
        }
        catch (Exception e)
        {
            log.LogWarning(e, "The node did not end cleanly");
        }
    }
}

/// <summary>Builds the node; nothing is opened or bound before its <see cref="INode.StartAsync"/>.</summary>
internal delegate INode NodeBuilder(GatewayOptions options, NodeKeys keys, ILoggerFactory logs);
