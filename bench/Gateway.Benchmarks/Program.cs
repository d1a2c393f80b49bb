using System.CommandLine;
using BenchmarkDotNet.Running;
using Gateway.Benchmarks.Ladder;
using Gateway.Benchmarks.Mailbox.Bars;
using Gateway.Benchmarks.Rivals;
using Gateway.Benchmarks.Rungs;
using Gateway.Benchmarks.Transport.Bars;

// The ladder:       dotnet run -c Release --project bench/Gateway.Benchmarks -- ladder --rounds 5
// The rivals:       dotnet run -c Release --project bench/Gateway.Benchmarks -- rivals --rounds 3
// The mailbox log:  dotnet run -c Release --project bench/Gateway.Benchmarks -- mailbox --rounds 12
// The transport:    dotnet run -c Release --project bench/Gateway.Benchmarks -- transport --rounds 5
// BenchmarkDotNet:  dotnet run -c Release --project bench/Gateway.Benchmarks -- --filter '*Protocol*'
if (args is ["ladder" or "rivals" or "mailbox" or "transport" or "rung", ..])
{
    var root = new RootCommand("Measures.") { LadderCommand.Create(), RivalsCommand.Create(), MailboxCommand.Create(), TransportCommand.Create(), RungCommand.Create() };
    return await root.Parse(args).InvokeAsync();
}

BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
return 0;
