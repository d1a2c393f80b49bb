using System.Runtime.InteropServices;
using Gateway.Ctl;

using var stop = new CancellationTokenSource();
PosixSignalRegistration OnSignal(PosixSignal signal) => PosixSignalRegistration.Create(signal, context =>
{
    // The first lets the command leave in order; the second is the kernel's.
    context.Cancel = !stop.IsCancellationRequested;
    stop.Cancel();
});

using var interrupt = OnSignal(PosixSignal.SIGINT);
using var terminate = OnSignal(PosixSignal.SIGTERM);
return await CtlProgram.RunAsync(args, CtlEnvironment.OfThisProcess(), stop.Token);
