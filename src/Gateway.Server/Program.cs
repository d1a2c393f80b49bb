using Gateway.Server.Hosting;
using Gateway.Server.Node;

using var signals = new TerminationSignals(PosixCalls.ExitAtOnce);
var code = await GatewayProgram.OfThisProcess(NodeFactory.Create, signals).RunAsync(args);

// Not a return: after a fail stop a reactor's or the log's thread may never end, and must not keep the process.
Environment.Exit(code);
