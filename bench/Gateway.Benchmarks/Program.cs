using BenchmarkDotNet.Running;

// Choose with --filter, as in: dotnet run -c Release --project bench/Gateway.Benchmarks -- --filter '*Protocol*'
BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
