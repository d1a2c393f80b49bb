using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Gateway.Client;
using Gateway.Ctl.Devices;
using Gateway.Protocol;

namespace Gateway.Ctl.Messaging;

/// <summary>Where the node's native protocol listens.</summary>
internal sealed record Endpoint(string Host, int Port);

/// <summary>Options of the commands that talk as a device: which device, its key, its state, and the node. One instance a command.</summary>
internal sealed class MessagingOptions
{
    private const string KeyVariable = "GATEWAY_KEY";

    public MessagingOptions(string addressOption, string addressDescription, string keyOption)
    {
        Device = CommonOptions.AddressOption(addressOption, addressDescription);
        Key = new Option<string?>(keyOption)
        {
            Description = $"that device's key file; by default ADDRESS.key in the working folder, or the variable {KeyVariable}",
            HelpName = "FILE",
        };
    }

    public Option<Address> Device { get; }
    public Option<string?> Key { get; }

    public Option<string?> State { get; } = new("--state")
    {
        Description = "folder of the device's outbox and history; by default ~/.local/share/gatewayctl",
        HelpName = "DIR",
    };

    public Option<Endpoint> Server { get; } = new("--server")
    {
        Description = "the node's native endpoint",
        DefaultValueFactory = _ => new Endpoint("127.0.0.1", GatewayClientOptions.DefaultPort),
        CustomParser = ParseEndpoint,
        HelpName = "HOST:PORT",
    };

    public void AddTo(Command command)
    {
        command.Add(Device);
        command.Add(Key);
        command.Add(State);
        command.Add(Server);
    }

    /// <summary>The key: the file that was named, else the variable, else the file in the working folder.</summary>
    public KeyFile ReadKey(ParseResult parse, CtlEnvironment environment)
    {
        var device = parse.GetValue(Device);
        var named = parse.GetValue(Key);
        var file = named is null && environment.Variables(KeyVariable) is { Length: > 0 } text
            ? SecretText.ParseKey(text, KeyVariable)
            : SecretText.ReadKey(environment.Resolve(named ?? DeviceKeyFile.NameOf(device)));
        return file.Address == device
            ? file
            : throw new CtlException(ExitCode.Usage, $"the key is {file.Address}'s, not {device}'s");
    }

    /// <summary>The device's state, its folder made.</summary>
    public DeviceState OpenState(ParseResult parse, CtlEnvironment environment)
    {
        var folder = parse.GetValue(State) is { } given ? environment.Resolve(given) : DeviceState.DefaultFolder(environment.Variables);
        var state = new DeviceState(folder, parse.GetValue(Device));
        state.CreateFolder();
        return state;
    }

    private static Endpoint? ParseEndpoint(ArgumentResult result)
    {
        var text = result.Tokens[0].Value;
        var colon = text.LastIndexOf(':');
        return colon > 0 && ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port != 0
            ? new Endpoint(text[..colon].Trim('[', ']'), port)
            : CommonOptions.Fail<Endpoint>(result, $"--server: '{text}' is not a host and a port, as in 127.0.0.1:5240");
    }
}
