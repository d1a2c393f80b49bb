using System.Globalization;
using Gateway.Server.Hosting;
using Gateway.Server.Node;
using Gateway.Tests.Mailbox;

namespace Gateway.Benchmarks.Alerts;

/// <summary>
/// The program <c>gateway</c> over files and reactors that can be held up, for faults that cannot be had from outside a process without a machine of one's own:
/// product code has no switch for them. It takes the node's arguments and, on its standard input, a line a fault:
/// <code>
/// sync MS      every sync takes so much longer
/// read MS      every read likewise
/// stick N      reactor N does nothing more
/// mend         all of it is over
/// </code>
/// Lines are read by one task; the faults happen on the node's threads.
/// </summary>
internal sealed class FaultyNode
{
    public const string Verb = "faulty-node";

    private readonly TaskCompletionSource<(GatewayNode Node, FaultyFileSystem Files)> _running = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ManualResetEventSlim _mended = new(true);

    /// <summary>Runs until the node has ended, and the process with it.</summary>
    public static async Task RunAsync(string[] arguments)
    {
        using var signals = new TerminationSignals(PosixCalls.ExitAtOnce);
        var host = new FaultyNode();
        var program = GatewayProgram.OfThisProcess(
            (options, keys, logs) =>
            {
                GatewayNode? node = null;
                node = new GatewayNode(options, keys, logs, TimeProvider.System)
                {
                    OnLogOptions = log =>
                    {
                        var files = new FaultyFileSystem(log.Folder);
                        log.FileSystem = files;
                        host._running.SetResult((node!, files));
                    },
                };
                return node;
            },
            signals);
        var hears = Task.Run(() => host.HearAsync(Console.In));
        var code = await program.RunAsync(arguments);
        if (hears.IsFaulted) await hears;
        // As the program itself does: a thread that is held up must not keep the process.
        Environment.Exit(code);
    }

    private async Task HearAsync(TextReader lines)
    {
        var (node, files) = await _running.Task;
        while (await lines.ReadLineAsync() is { } line)
        {
            var words = line.Split(' ');
            var number = words.Length > 1 ? int.Parse(words[1], CultureInfo.InvariantCulture) : 0;
            if (words[0] == "mend") Mend(files);
            else Break(node, files, words[0], number);
        }
    }

    private void Mend(FaultyFileSystem files)
    {
        (files.OnSync, files.OnRead) = (null, null);
        _mended.Set();
    }

    private void Break(GatewayNode node, FaultyFileSystem files, string fault, int number)
    {
        _mended.Reset();
        switch (fault)
        {
            case "sync": files.OnSync = _ => _mended.Wait(number); break;
            case "read": files.OnRead = _ => _mended.Wait(number); break;
            case "stick": node.TryPost(number, _mended.Wait); break;
            default: throw new InvalidDataException($"there is no fault {fault}");
        }
    }
}
