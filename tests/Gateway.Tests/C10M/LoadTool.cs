using System.Globalization;
using System.Text.Json.Nodes;
using Gateway.Load.Cli;
using Gateway.Protocol;

namespace Gateway.Tests.C10M;

/// <summary>Runs the load tool within the test's process, as its command line would.</summary>
internal sealed class LoadTool : IDisposable
{
    private static int _nextAddress = 1;
    private static readonly string Configuration = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;

    /// <summary>The copy beside the tests lacks what their framework reference provides.</summary>
    private static readonly string Program = Repository.RepositoryRoot.File("tools", "C10M", "bin", Configuration, "net10.0", "C10M");

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("c10m");

    public LoadTool()
    {
        Secret = [.. Enumerable.Range(0, NodeSecret.SecretBytes).Select(i => (byte)(i * 7 + 1))];
        File.WriteAllText(PathOf("secret"), NodeSecret.Format(Secret));
    }

    public byte[] Secret { get; }

    public string PathOf(string file) => Path.Combine(_folder.FullName, file);

    public LoadRun Run(FakeRelay relay, params string[] arguments) => Run(relay.EndPoint.Port, CancellationToken.None, arguments);

    public LoadRun Run(int port, CancellationToken interrupt, params string[] arguments)
    {
        using var output = new StringWriter();
        using var errors = new StringWriter();
        var environment = new LoadEnvironment(_folder.FullName, output, errors, IsTerminal: false, Program, TimeProvider.System, () => Interlocked.Increment(ref _nextAddress));
        string[] common =
        [
            "--target", string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{port}"), "--json", "result.json", "--quiet",
        ];
        // An echo knows no devices and takes no secret.
        if (arguments[0] != "echo") common = [.. common, "--secret", PathOf("secret")];
        File.Delete(PathOf("result.json"));
        var exitCode = LoadProgram.Run([.. arguments, .. common], environment, interrupt);
        var json = File.Exists(PathOf("result.json")) ? JsonNode.Parse(File.ReadAllText(PathOf("result.json")))!.AsObject() : [];
        return new LoadRun(exitCode, json, output.ToString(), errors.ToString());
    }

    public void Dispose() => _folder.Delete(recursive: true);
}

internal sealed record LoadRun(int ExitCode, JsonObject Json, string Output, string Errors)
{
    public long this[string field] => Json[field] is { } node ? (long)node.GetValue<double>() : throw new KeyNotFoundException($"{field} is absent or null in {Json}");

    public long ErrorsOf(string kind) => Json["errors_by_kind"]![kind]?.GetValue<long>() ?? 0;

    public override string ToString() => $"exit code {ExitCode}: {Json}\n{Errors}";
}
