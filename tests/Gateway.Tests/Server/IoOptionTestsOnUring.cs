using Gateway.Tests.Transport;
using Xunit;

namespace Gateway.Tests.Server;

/// <summary>A node that is asked for more connections than it may open files; that of this machine is below the number asked for.</summary>
public sealed class IoOptionTestsOnUring : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("gateway-io-");

    public void Dispose() => _folder.Delete(recursive: true);

    [OnBackendTheory]
    [InlineData(1, "--io uring", "io_uring: up to ")]
    [InlineData(8, "--io uring", "io_uring: up to ")]
    [InlineData(1, "--io auto --max-connections 16000000", "io_uring: up to ")]
    [InlineData(1, "--io auto", "epoll: enough for ")]
    [InlineData(1, "--io epoll --max-connections 16000000", "epoll: as asked")]
    public async Task A_node_says_what_it_drives_the_kernel_with(int reactors, string options, string expected)
    {
        await using var node = await NodeProcess.StartSmallAsync(Path.Combine(_folder.FullName, "data"), reactors, options);
        Assert.Contains(expected, node.Program.Errors, StringComparison.Ordinal);
        Assert.Equal(0, await node.StopAsync());
    }
}
