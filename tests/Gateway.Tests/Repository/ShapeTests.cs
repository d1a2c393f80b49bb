using System.Text.Json;
using System.Xml.Linq;
using Xunit;

namespace Gateway.Tests.Repository;

/// <summary>The star: each part knows only what it must, only the host knows all.</summary>
public class ShapeTests
{
    public static TheoryData<string, string[]> Arrows => new()
    {
        { "src/Gateway.Protocol", [] },
        { "src/Gateway.Transport", [] },
        { "src/Gateway.Mailbox", [] },
        { "src/Gateway.Messaging", ["Gateway.Protocol"] },
        { "src/Gateway.Server", ["Gateway.Mailbox", "Gateway.Messaging", "Gateway.Protocol", "Gateway.Transport"] },
        { "src/Gateway.Client", ["Gateway.Protocol"] },
        { "tools/C10M", ["Gateway.Protocol", "Gateway.Transport"] },
        { "tools/gatewayctl", ["Gateway.Client", "Gateway.Mailbox", "Gateway.Protocol"] },
    };

    [Theory]
    [MemberData(nameof(Arrows))]
    public void A_project_references_exactly_what_the_star_allows(string project, string[] expected)
    {
        var file = Directory.GetFiles(RepositoryRoot.File(project), "*.csproj").Single();
        var references = XDocument.Load(file).Descendants("ProjectReference")
            .Select(r => Path.GetFileNameWithoutExtension(r.Attribute("Include")!.Value.Replace('\\', '/')))
            .Order(StringComparer.Ordinal);

        Assert.Equal(expected, references);
    }

    [Fact]
    public void The_protocol_project_touches_no_socket_file_clock_thread_or_unsafe_code()
    {
        string[] banned = ["System.Net.Sockets", "System.IO.File", "DateTime.", "TimeProvider", "Stopwatch", "new Thread", "Task.", "unsafe", "Environment.TickCount"];
        foreach (var file in Directory.GetFiles(RepositoryRoot.File("src", "Gateway.Protocol"), "*.cs"))
        {
            var text = File.ReadAllText(file);
            foreach (var word in banned) Assert.False(text.Contains(word, StringComparison.Ordinal), $"{Path.GetFileName(file)} uses {word}");
        }
    }

    [Theory]
    [InlineData("src/Gateway.Server", "gateway")]
    [InlineData("tools/gatewayctl", "gatewayctl")]
    [InlineData("tools/C10M", "C10M")]
    public void Every_program_runs_with_the_root_runtime_configuration(string project, string assembly)
    {
        using var template = JsonDocument.Parse(File.ReadAllText(RepositoryRoot.File("runtimeconfig.template.json")));
        var configuration = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;
        using var generated = JsonDocument.Parse(File.ReadAllText(RepositoryRoot.File(project, "bin", configuration, "net10.0", $"{assembly}.runtimeconfig.json")));

        var actual = generated.RootElement.GetProperty("runtimeOptions").GetProperty("configProperties");
        foreach (var expected in template.RootElement.GetProperty("configProperties").EnumerateObject())
            Assert.Equal(expected.Value.ToString(), actual.GetProperty(expected.Name).ToString());
    }
}
