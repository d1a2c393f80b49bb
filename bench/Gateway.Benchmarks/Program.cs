using System.CommandLine;
using BenchmarkDotNet.Running;
using Gateway.Benchmarks.Alerts;
using Gateway.Benchmarks.Ladder;
using Gateway.Benchmarks.Mailbox.Bars;
using Gateway.Benchmarks.Pairs;
using Gateway.Benchmarks.Rivals;
using Gateway.Benchmarks.Rungs;
using Gateway.Benchmarks.Transport.Bars;

// The ladder:       dotnet run -c Release --project bench/Gateway.Benchmarks -- ladder --rounds 5
// The rivals:       dotnet run -c Release --project bench/Gateway.Benchmarks -- rivals --rounds 3
// The mailbox log:  dotnet run -c Release --project bench/Gateway.Benchmarks -- mailbox --rounds 12
// The transport:    dotnet run -c Release --project bench/Gateway.Benchmarks -- transport --rounds 5
// The alerts:       dotnet run -c Release --project bench/Gateway.Benchmarks -- alerts --rounds 3
// Two nodes:        dotnet run -c Release --project bench/Gateway.Benchmarks -- pair --one '--metrics on' --other '--metrics off'
// BenchmarkDotNet:  dotnet run -c Release --project bench/Gateway.Benchmarks -- --filter '*Protocol*'
if (args is [FaultyNode.Verb, .. var arguments])
{
    await FaultyNode.RunAsync(arguments);
}

if (args is ["ladder" or "rivals" or "mailbox" or "transport" or "alerts" or "pair" or "rung", ..])
{
    var root = new RootCommand("Measures.") { LadderCommand.Create(), RivalsCommand.Create(), MailboxCommand.Create(), TransportCommand.Create(), AlertsCommand.Create(), PairCommand.Create(), RungCommand.Create() };
    return await root.Parse(args).InvokeAsync();
}

BenchmarkSwitcher.FromAssembly(typeof(FaultyNode).Assembly).Run(args);
return 0;
