using System.Net;
using System.Reflection;
using Gateway.Server;
using Gateway.Server.Health.Alerts;
using Gateway.Server.Options;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Gateway.Tests.Server;

/// <summary>Options from file, environment and command line: who wins, and what each mistake is called.</summary>
public sealed class OptionResolutionTests : IDisposable
{
    private static readonly ProcessLimits Unlimited = new(long.MaxValue);
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Without_any_source_the_defaults_hold()
    {
        var options = Resolve([]).Options!;

        Assert.Equal(new IPEndPoint(IPAddress.Loopback, 5240), options.NativeListen);
        Assert.Equal(new IPEndPoint(IPAddress.Loopback, 5249), options.OperatorListen);
        Assert.Equal("./data", options.Data);
        Assert.Equal(64 * 1024, options.MaxBody);
        Assert.Equal(TimeSpan.FromSeconds(10), options.DrainTime);
        Assert.Equal(Durability.Fsync, options.Durability);
        Assert.Equal(LogLevel.Information, options.LogLevel);
        Assert.Equal(Math.Min(Environment.ProcessorCount, 8), options.Reactors);
        Assert.Equal(1_000_000, options.MaxConnections);
    }

    [Fact]
    public void The_command_line_wins_over_the_environment_over_the_file_over_the_default()
    {
        _folder.Write("gateway.json", """{ "reactors": 2, "idle-timeout": "2m", "drain-time": "2s" }""");
        var environment = Variables(("GATEWAY__REACTORS", "3"), ("GATEWAY__IDLE_TIMEOUT", "3m"), ("GATEWAY", "no option"), ("GATEWAY_KEY", "none"));

        var options = Resolve(["--reactors", "4"], environment).Options!;

        Assert.Equal(4, options.Reactors);
        Assert.Equal(TimeSpan.FromMinutes(3), options.IdleTimeout);
        Assert.Equal(TimeSpan.FromSeconds(2), options.DrainTime);
        Assert.Equal(TimeSpan.FromSeconds(30), options.FrameTimeout);
    }

    [Fact]
    public void Every_option_is_understood_from_every_source()
    {
        foreach (var option in OptionTable.All.Where(o => o != OptionTable.Config))
        {
            var other = Another(option);
            var file = _folder.Write("one.json", $$"""{ "{{option.Name}}": "{{other}}" }""");
            foreach (var resolution in new[]
            {
                Resolve(["--config", file]),
                Resolve([], Variables((option.EnvironmentName, other))),
                Resolve([option.CommandLineName, other]),
                Resolve([$"{option.CommandLineName}={other}"]),
            })
            {
                Assert.Empty(resolution.Errors);
                Assert.Equal(other, option.Format(resolution.Values.Value(option)));
                Assert.NotEqual(OptionSource.Default, resolution.Values.Source(option));
            }
        }
    }

    [Fact]
    public void Every_option_has_its_property_and_every_property_its_option()
    {
        var properties = Properties().Select(p => p.Name).Order();
        var options = OptionTable.All.Where(o => o != OptionTable.Config).Select(PropertyOf).Order();

        Assert.Equal(options, properties);
    }

    [Fact]
    public void Every_property_carries_the_value_of_its_own_option()
    {
        foreach (var option in OptionTable.All.Where(o => o != OptionTable.Config))
        {
            var options = Resolve([option.CommandLineName, Another(option)]).Options!;
            var changed = Properties().Where(p => !Equals(ValueOf(options, p), ValueOf(GatewayOptions.Default, p))).Select(p => p.Name);

            Assert.Equal([PropertyOf(option)], changed);
        }
    }

    [Theory]
    [InlineData("--nonsense 1", "--nonsense: there is no such option; gateway --help lists all")]
    [InlineData("--reactor 1", "--reactor: there is no such option; did you mean --reactors?")]
    [InlineData("--reactors", "--reactors: its value is missing: COUNT, as in --reactors {default}")]
    [InlineData("--reactors --data x", "--reactors: its value is missing: COUNT, as in --reactors {default}")]
    [InlineData("--reactors 1 --reactors 2", "--reactors: given twice")]
    [InlineData("--drain-time 10_parsecs", "--drain-time: '10_parsecs' is not a duration: a number and one of us, ms, s, m, h, d, as in 30s")]
    [InlineData("--drain-time=", "--drain-time: '' is not a duration: a number and one of us, ms, s, m, h, d, as in 30s")]
    [InlineData("start", "'start' is neither an option nor a command; --help lists both")]
    [InlineData("-x", "'-x' is neither an option nor a command; --help lists both")]
    public void A_mistake_on_the_command_line_is_named(string arguments, string expected)
    {
        var resolution = Resolve(arguments.Split(' '));

        Assert.Null(resolution.Options);
        Assert.Equal([expected.Replace("{default}", OptionTable.Reactors.DefaultText, StringComparison.Ordinal)], resolution.Errors);
    }

    [Theory]
    [InlineData("GATEWAY__NONSENSE", "1", "GATEWAY__NONSENSE: there is no such option; gateway --help lists all")]
    [InlineData("GATEWAY__REACTOR", "1", "GATEWAY__REACTOR: there is no such option; did you mean GATEWAY__REACTORS?")]
    [InlineData("GATEWAY__reactors", "1", "GATEWAY__reactors: there is no such option; did you mean GATEWAY__REACTORS?")]
    [InlineData("GATEWAY__REACTORS", "0", "GATEWAY__REACTORS: '0' is too small: at least 1")]
    public void A_mistake_in_the_environment_is_named(string variable, string text, string expected)
    {
        Assert.Equal([expected], Resolve([], Variables((variable, text))).Errors);
    }

    [Theory]
    [InlineData("""{ "nonsense": 1 }""", "gateway.json: nonsense: there is no such option; gateway --help lists all")]
    [InlineData("""{ "reactorss": 1 }""", "gateway.json: reactorss: there is no such option; did you mean reactors?")]
    [InlineData("""{ "reactors": 100 }""", "gateway.json: reactors: '100' is too large: at most 64")]
    [InlineData("""{ "reactors": null }""", "gateway.json: reactors: a string, a number, true or false belongs here")]
    [InlineData("""{ "reactors": 1, "reactors": 2 }""", "gateway.json: reactors: given twice")]
    [InlineData("""{ "native": { "listen": "x" } }""", "gateway.json: native: there is no such option; gateway --help lists all")]
    [InlineData("""{ "config": "other.json" }""", "gateway.json: config: a file of options cannot name another")]
    [InlineData("""{ "idle-timeout": 30 }""", "gateway.json: idle-timeout: '30' is not a duration: a number and one of us, ms, s, m, h, d, as in 30s")]
    [InlineData("[]", "gateway.json: the file must hold one object, as in { \"reactors\": 4 }")]
    public void A_mistake_in_the_file_is_named(string text, string expected)
    {
        _folder.Write("gateway.json", text);

        Assert.Equal([expected], Resolve([]).Errors);
    }

    [Fact]
    public void A_file_that_is_no_json_is_named_with_its_line()
    {
        _folder.Write("gateway.json", "{\n  \"reactors\": 1\n  \"data\": \"x\"\n}");

        Assert.StartsWith("gateway.json: line 3: not JSON: ", Assert.Single(Resolve([]).Errors), StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_may_hold_comments_numbers_and_booleans()
    {
        _folder.Write("gateway.json", "{ // ours\n \"reactors\": 3, \"pin-reactors\": false, }");

        var options = Resolve([]).Options!;

        Assert.Equal(3, options.Reactors);
        Assert.False(options.PinReactors);
    }

    [Fact]
    public void A_named_file_must_exist_whichever_source_names_it()
    {
        Assert.Equal(["none.json: there is no such file"], Resolve(["--config", "none.json"]).Errors);
        Assert.Equal(["none.json: there is no such file"], Resolve([], Variables(("GATEWAY__CONFIG", "none.json"))).Errors);
    }

    [Fact]
    public void A_file_that_is_a_folder_is_named()
    {
        Directory.CreateDirectory(_folder.File("sub"));

        Assert.StartsWith("sub: cannot be read: ", Assert.Single(Resolve(["--config", "sub"]).Errors), StringComparison.Ordinal);
    }

    [Fact]
    public void All_mistakes_are_told_at_once()
    {
        _folder.Write("gateway.json", """{ "nonsense": 1 }""");

        var errors = Resolve(["--reactors", "0", "--drain-time", "x"], Variables(("GATEWAY__MAX_BODY", "1"))).Errors;

        Assert.Equal(4, errors.Count);
    }

    [Theory]
    [InlineData("--buffer-hard 1MiB", "--buffer-hard: 1MiB is below buffer-soft, 512MiB (default of buffer-soft)")]
    [InlineData("--log-page 64KiB", "--log-page: 64KiB is below 2 times max-body, 64KiB (default of max-body)")]
    [InlineData("--log-memory 2MiB", "--log-memory: 2MiB is below 8 times log-page, 1MiB (default of log-page)")]
    [InlineData("--segment-size 1MiB", "--segment-size: 1MiB is below 2 times log-page, 1MiB (default of log-page)")]
    [InlineData("--operator-listen 127.0.0.1:5240", "--operator-listen: 127.0.0.1:5240 is taken by native-listen, 127.0.0.1:5240 (default of native-listen)")]
    [InlineData("--native-listen 0.0.0.0:5249", "default of operator-listen: 127.0.0.1:5249 is taken by native-listen, 0.0.0.0:5249 (--native-listen)")]
    public void Values_that_contradict_each_other_are_named_both(string arguments, string expected)
    {
        Assert.Equal([expected], Resolve(arguments.Split(' ')).Errors);
    }

    [Fact]
    public void Free_ports_and_other_addresses_do_not_collide()
    {
        Assert.Empty(Resolve(["--native-listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0"]).Errors);
        Assert.Empty(Resolve(["--native-listen", "127.0.0.2:5249"]).Errors);
    }

    [Fact]
    public void Connections_are_lowered_to_what_the_process_may_open_and_that_is_told()
    {
        var resolution = OptionResolution.Of(CommandLine.Parse(["--max-connections", "50000"]), Variables(), _folder.Path, new ProcessLimits(20_000));

        Assert.Equal(20_000 - 512, resolution.Options!.MaxConnections);
        Assert.Contains("in place of 50000", Assert.Single(resolution.Notes), StringComparison.Ordinal);
        Assert.Equal(OptionSource.CommandLine, resolution.Values.Source(OptionTable.MaxConnections));
    }

    [Theory]
    [InlineData("auto", true, 50_000)]
    [InlineData("auto", false, 20_000 - 512)]
    [InlineData("epoll", true, 20_000 - 512)]
    [InlineData("uring", true, 50_000)]
    [InlineData("uring", false, 50_000)]
    public void Connections_that_are_asked_for_are_to_be_had_with_io_uring(string io, bool hasUring, int expected)
    {
        var limits = new ProcessLimits(20_000, hasUring);
        var resolution = OptionResolution.Of(CommandLine.Parse(["--io", io, "--max-connections", "50000"]), Variables(), _folder.Path, limits);

        Assert.Equal(expected, resolution.Options!.MaxConnections);
        Assert.Equal(expected == 50_000 ? 0 : 1, resolution.Notes.Count);
    }

    [Fact]
    public void The_default_asks_for_no_more_connections_than_the_process_may_open()
    {
        var resolution = OptionResolution.Of(CommandLine.Parse([]), Variables(), _folder.Path, new ProcessLimits(20_000, HasUring: true));

        Assert.Equal(20_000 - 512, resolution.Options!.MaxConnections);
    }

    [Theory]
    [InlineData("--max-connections 250000 --io uring", 512)]
    [InlineData("--max-connections 249999 --io uring", 64)]
    [InlineData("--max-connections 250000 --io uring --segment-size 64MiB", 64)]
    [InlineData("--max-connections 250000 --io epoll", 64)]
    [InlineData("--io uring", 64)]
    public void A_node_of_many_connections_has_larger_segments_unless_told_otherwise(string arguments, int expectedMiB)
    {
        var resolution = OptionResolution.Of(CommandLine.Parse(arguments.Split(' ')), Variables(), _folder.Path, new ProcessLimits(20_000, HasUring: true));

        Assert.Equal((long)expectedMiB << 20, resolution.Options!.SegmentSize);
    }

    [Fact]
    public void Connections_below_the_limit_stay()
    {
        var resolution = OptionResolution.Of(CommandLine.Parse(["--max-connections", "100"]), Variables(), _folder.Path, new ProcessLimits(20_000));

        Assert.Equal(100, resolution.Options!.MaxConnections);
        Assert.Empty(resolution.Notes);
    }

    [Fact]
    public void The_limit_of_this_process_is_known() => Assert.InRange(ProcessLimits.Read().OpenFiles, 16, long.MaxValue - 1);

    [Fact]
    public void Help_lists_every_option_with_its_default_and_every_exit_code()
    {
        var help = OptionText.Help();

        foreach (var option in OptionTable.All)
        {
            Assert.Contains($"  {option.CommandLineName} {option.Placeholder}\n", help, StringComparison.Ordinal);
            Assert.Contains($"default {option.DefaultText}", help, StringComparison.Ordinal);
            Assert.Contains(option.Help, help, StringComparison.Ordinal);
        }

        foreach (var (code, meaning) in ExitCode.Meanings) Assert.Contains($"{code,-5}{meaning}", help, StringComparison.Ordinal);
    }

    private OptionResolution Resolve(string[] arguments, IReadOnlyDictionary<string, string>? environment = null) =>
        OptionResolution.Of(CommandLine.Parse(arguments), environment ?? Variables(), _folder.Path, Unlimited);

    private static Dictionary<string, string> Variables(params (string Name, string Text)[] variables) => variables.ToDictionary(v => v.Name, v => v.Text);

    /// <summary>Those of alerts are one property of the node's options, which may be changed as a whole while it runs.</summary>
    private static IEnumerable<PropertyInfo> Properties() =>
        typeof(GatewayOptions).GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(p => p.Name != nameof(GatewayOptions.Alerts))
            .Concat(typeof(AlertThresholds).GetProperties(BindingFlags.Public | BindingFlags.Instance));

    private static object? ValueOf(GatewayOptions options, PropertyInfo property) =>
        property.GetValue(property.DeclaringType == typeof(AlertThresholds) ? options.Alerts : options);

    private static string PropertyOf(Option option) => option == AlertTable.After ? nameof(AlertThresholds.RaiseAfter)
        : option == AlertTable.Memory ? nameof(AlertThresholds.MemoryPercent)
        : string.Concat((AlertTable.All.Contains(option) ? option.Name["alert-".Length..] : option.Name).Split('-').Select(w => char.ToUpperInvariant(w[0]) + w[1..]));

    /// <summary>A valid value that is not the default and contradicts no other default.</summary>
    private static string Another(Option option) => option.Name switch
    {
        "data" => "/elsewhere",
        "native-listen" or "operator-listen" => "127.0.0.1:7000",
        "reactors" => "9",
        "pin-reactors" or "metrics" => "off",
        "io" => "uring",
        "durability" => "os",
        "log-format" => "json",
        "log-level" => "debug",
        "buffer-soft" => "256MiB",
        "buffer-hard" => "2GiB",
        "segment-size" or "log-memory" => "256MiB",
        "log-page" => "512KiB",
        "max-body" => "32KiB",
        "max-unsent" => "128KiB",
        "max-mailbox-bytes" or "max-pending-bytes" => "128MiB",
        "alert-queue-depth" => "70%,inbox=off",
        "alert-queue-age" or "alert-queue-drain" => "77s,inbox=off",
        "alert-webhook" => "http://127.0.0.1:9093",
        "alert-instance" => "gateway-1:5249",
        "alert-commit" or "alert-stall" => "7s",
        "accepted-wait" or "commit-delay" => "7ms",
        _ when option.Placeholder == "DURATION" => "77s",
        _ when option.Placeholder is "COUNT" or "PERCENT" => "77",
        _ => throw new InvalidOperationException($"The test knows no other value for {option.Name}."),
    };
}
