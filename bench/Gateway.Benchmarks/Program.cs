using System.CommandLine;
using BenchmarkDotNet.Running;
using Gateway.Benchmarks.Rungs;

// The ladder:       dotnet run -c Release --project bench/Gateway.Benchmarks -- ladder --rounds 5
// BenchmarkDotNet:  dotnet run -c Release --project bench/Gateway.Benchmarks -- --filter '*Protocol*'
if (args is ["ladder" or "rung", ..])
{
    var root = new RootCommand("Measures.") { RungCommand.Create() };
    return root.Parse(args).Invoke();
}

BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
return 0;
