using System.Runtime.InteropServices;
using Gateway.Load.Cli;

using var stop = new CancellationTokenSource();
PosixSignalRegistration OnSignal(PosixSignal signal) => PosixSignalRegistration.Create(signal, context =>
{
    // The first lets the run end in order and report; the second is the kernel's.
    context.Cancel = !stop.IsCancellationRequested;
    stop.Cancel();
});

using var interrupt = OnSignal(PosixSignal.SIGINT);
using var terminate = OnSignal(PosixSignal.SIGTERM);
return LoadProgram.Run(args, LoadEnvironment.OfThisProcess(), stop.Token);
