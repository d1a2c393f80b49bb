using System.CommandLine;
using Gateway.Ctl.Operator;
using Gateway.Protocol;

namespace Gateway.Ctl;

/// <summary>Options and arguments that several commands share, and what they stand for once parsed.</summary>
internal sealed class CommonOptions
{
    public Option<OutputFormat> Output { get; } = new("--output", "-o")
    {
        Description = "text for a person, json for a script (errors too)",
        Recursive = true,
        DefaultValueFactory = _ => OutputFormat.Text,
        CustomParser = result => result.Tokens[0].Value switch
        {
            "text" => OutputFormat.Text,
            "json" => OutputFormat.Json,
            var other => Fail<OutputFormat>(result, $"--output: '{other}' is none of text, json"),
        },
        HelpName = "text|json",
    };

    public Option<Uri> Node { get; } = new("--node")
    {
        Description = "the node's operator endpoint",
        Recursive = true,
        DefaultValueFactory = _ => new Uri("http://127.0.0.1:5249"),
        CustomParser = result => Uri.TryCreate(result.Tokens[0].Value, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https"
            ? uri
            : Fail<Uri>(result, $"--node: '{result.Tokens[0].Value}' is not an endpoint, as in http://127.0.0.1:5249"),
        HelpName = "URL",
    };

    public Option<string> Secret { get; } = new("--secret")
    {
        Description = "the node's secret",
        Recursive = true,
        DefaultValueFactory = _ => Path.Combine("data", "secret"),
        HelpName = "FILE",
    };

    /// <summary>An address as a command's argument.</summary>
    public static Argument<Address> AddressArgument() => new("ADDRESS")
    {
        Description = "15550001, 15550001:3 (device 3), service/7, group/42",
        CustomParser = result => ParseAddress(result, result.Tokens[0].Value),
    };

    /// <summary>An address as an option's value.</summary>
    public static Option<Address> AddressOption(string name, string description) => new(name)
    {
        Description = description,
        Required = true,
        HelpName = "ADDRESS",
        CustomParser = result => ParseAddress(result, result.Tokens[0].Value),
    };

    public Output OutputOf(ParseResult parse, CtlEnvironment environment) => new(parse.GetValue(Output), environment.Output, environment.Errors);

    /// <summary>A client with the operator's rights.</summary>
    public OperatorClient OperatorOf(ParseResult parse, CtlEnvironment environment) => new(parse.GetValue(Node)!, SecretOf(parse, environment));

    /// <summary>A client that looks: with a token for that when the secret is there, and without one, which is enough on the node's own machine.</summary>
    public OperatorClient LookingOf(ParseResult parse, CtlEnvironment environment)
    {
        var named = parse.GetResult(Secret) is { Implicit: false };
        var there = named || File.Exists(environment.Resolve(parse.GetValue(Secret)!));
        return new OperatorClient(parse.GetValue(Node)!, there ? SecretOf(parse, environment) : null, OperatorClient.LookLabel);
    }

    public byte[] SecretOf(ParseResult parse, CtlEnvironment environment) => SecretText.ReadSecret(environment.Resolve(parse.GetValue(Secret)!));

    /// <summary>Notes an error on the argument or option and returns what will not be looked at.</summary>
    public static T Fail<T>(System.CommandLine.Parsing.ArgumentResult result, string error)
    {
        result.AddError(error);
        return default!;
    }

    private static Address ParseAddress(System.CommandLine.Parsing.ArgumentResult result, string text) =>
        Address.TryParse(text, out var address, out var error) ? address : Fail<Address>(result, error);
}

/// <summary>What a run of gatewayctl touches of its process.</summary>
/// <param name="Folder">The working folder: relative paths begin there.</param>
/// <param name="Input">Lines typed or piped.</param>
/// <param name="Output">Results.</param>
/// <param name="Errors">Everything else.</param>
/// <param name="Variables">The environment, by name.</param>
/// <param name="Time">For waits and progress.</param>
internal sealed record CtlEnvironment(
    string Folder, TextReader Input, TextWriter Output, TextWriter Errors, Func<string, string?> Variables, TimeProvider Time)
{
    public static CtlEnvironment OfThisProcess() =>
        new(Directory.GetCurrentDirectory(), Console.In, Console.Out, Console.Error, Environment.GetEnvironmentVariable, TimeProvider.System);

    /// <summary>A path as given, from the working folder on.</summary>
    public string Resolve(string path) => Path.Combine(Folder, path);
}
