using System.Globalization;

namespace Gateway.Tests.Programs;

/// <summary>The load tool against a node: a process of its own, so that the node's memory and allocations are the node's alone.</summary>
internal static class LoadProcess
{
    public static ChildProgram Start(NodeProcess node, string command, params string[] options) => ChildProgram.Start("tools/C10M", "C10M", node.Data,
    [
        command,
        "--target", string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{node.NativePort}"),
        "--secret", Path.Combine(node.Data, "secret"),
        "--quiet", "--json", "-",
        .. options,
    ]);

    /// <summary>Runs it to its end, which must be a clean one: nothing lost, doubled, out of order or in error.</summary>
    public static async Task RunAsync(NodeProcess node, string command, params string[] options)
    {
        await using var load = Start(node, command, options);
        var exit = await load.WaitForExitAsync(TimeSpan.FromMinutes(4));
        if (exit != 0) throw new InvalidOperationException($"The load ended with {exit}.\n{load.Output}\n{load.Errors}");
    }
}
