using System.CommandLine;
using BenchmarkDotNet.Running;
using Gateway.Benchmarks.Ladder;
using Gateway.Benchmarks.Rungs;

// The ladder:       dotnet run -c Release --project bench/Gateway.Benchmarks -- ladder --rounds 5
// BenchmarkDotNet:  dotnet run -c Release --project bench/Gateway.Benchmarks -- --filter '*Protocol*'
if (args is ["ladder" or "rung", ..])
{
    var root = new RootCommand("Measures.") { LadderCommand.Create(), RungCommand.Create() };
    return await root.Parse(args).InvokeAsync();
}

BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
return 0;
