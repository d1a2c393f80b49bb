using System.Net;

namespace Gateway.Tests.Server;

/// <summary>The built program <c>gateway</c> on free ports and a folder of its own.</summary>
internal sealed class GatewayProcess : IDisposable
{
    public const int Sigterm = 15;
    public const int Sigkill = 9;

    private GatewayProcess(ChildProcess process) => Process = process;

    public ChildProcess Process { get; }
    public IPEndPoint Native => Endpoint("tcp://");
    public IPEndPoint Operator => Endpoint("http://");

    public static ChildProcess Start(string folder, string arguments = "", params (string Name, string Text)[] variables) =>
        ChildProcess.Start("src/Gateway.Server", "gateway", folder, arguments, variables);

    /// <summary>Starts a node and waits until it is ready.</summary>
    /// <param name="folder">The working folder: the data lies below it.</param>
    /// <param name="arguments">Beyond the endpoints.</param>
    /// <param name="native">A free port unless given.</param>
    public static async Task<GatewayProcess> ReadyAsync(string folder, string arguments = "", string native = "127.0.0.1:0")
    {
        // Small segments: a test's folder is on a disk shared with others.
        var process = Start(folder, $"--native-listen {native} --operator-listen 127.0.0.1:0 --segment-size 8MiB --log-memory 8MiB --reactors 2 --pin-reactors off {arguments}");
        try
        {
            await process.SeenAsync("gateway ready");
            return new GatewayProcess(process);
        }
        catch
        {
            process.Dispose();
            throw;
        }
    }

    public void Dispose() => Process.Dispose();

    private IPEndPoint Endpoint(string scheme) =>
        IPEndPoint.Parse(Process.Output.Split('\n').Single(l => l.Contains(scheme, StringComparison.Ordinal)).Split(scheme)[1]);
}
