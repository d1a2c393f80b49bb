namespace Gateway.Server.Options;

internal enum GatewayVerb
{
    Run = 0,
    CheckConfig = 1,
    Help = 2,
    Version = 3,
}

/// <summary>An option's text as one source gave it. <paramref name="Origin"/> is how that source calls it, for errors.</summary>
internal sealed record RawOption(string Name, string Text, OptionSource Source, string Origin);

/// <summary>
/// The program's arguments, cut: <c>gateway [check-config] [--option value | --option=value ...]</c>. Values are not read here.
/// </summary>
internal sealed record CommandLine(GatewayVerb Verb, IReadOnlyList<RawOption> Options, IReadOnlyList<string> Errors)
{
    public static CommandLine Parse(IReadOnlyList<string> arguments)
    {
        var verb = GatewayVerb.Run;
        var options = new List<RawOption>();
        var errors = new List<string>();
        for (var i = 0; i < arguments.Count; i++)
        {
            var argument = arguments[i];
            switch (argument)
            {
                case "--help" or "-h" or "help":
                    verb = GatewayVerb.Help;
                    continue;
                case "--version":
                    if (verb != GatewayVerb.Help) verb = GatewayVerb.Version;
                    continue;
                case "check-config":
                    if (verb == GatewayVerb.Run) verb = GatewayVerb.CheckConfig;
                    continue;
            }

            if (!argument.StartsWith("--", StringComparison.Ordinal))
            {
                errors.Add($"'{argument}' is neither an option nor a command; --help lists both");
                continue;
            }

            var equals = argument.IndexOf('=');
            var name = equals < 0 ? argument[2..] : argument[2..equals];
            if (OptionTable.Find(name) is not { } option)
            {
                errors.Add($"--{name}: {UnknownOption.Describe(name, o => o.CommandLineName)}");
                // What follows an unknown option is most likely its value: one mistake, one error.
                if (equals < 0 && i + 1 < arguments.Count && !arguments[i + 1].StartsWith("--", StringComparison.Ordinal)) i++;
            }
            else if (equals < 0 && (i + 1 == arguments.Count || arguments[i + 1].StartsWith("--", StringComparison.Ordinal)))
            {
                errors.Add($"{option.CommandLineName}: its value is missing: {option.Placeholder}, as in {option.CommandLineName} {option.DefaultText}");
            }
            else if (options.Any(o => o.Name == name))
            {
                errors.Add($"{option.CommandLineName}: given twice");
                if (equals < 0) i++;
            }
            else
            {
                options.Add(new RawOption(name, equals < 0 ? arguments[++i] : argument[(equals + 1)..], OptionSource.CommandLine, option.CommandLineName));
            }
        }

        return new CommandLine(verb, options, errors);
    }
}

/// <summary>The error for a name that no option has.</summary>
internal static class UnknownOption
{
    /// <summary>Completes the sentence that begins with the unknown name; names the nearest option where one is near.</summary>
    public static string Describe(string name, Func<Option, string> spell)
    {
        var nearest = OptionTable.All.MinBy(o => Distance(name, o.Name))!;
        return Distance(name, nearest.Name) <= Math.Max(1, name.Length / 4)
            ? $"there is no such option; did you mean {spell(nearest)}?"
            : "there is no such option; gateway --help lists all";
    }

    /// <summary>Edits between two words. Levenshtein, one row at a time.</summary>
    private static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(replaced, Math.Min(row[j], row[j - 1]) + 1);
            }
        }

        return row[b.Length];
    }
}
