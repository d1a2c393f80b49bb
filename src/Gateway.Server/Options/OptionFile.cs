using System.Text.Json;

namespace Gateway.Server.Options;

/// <summary>
/// Reads the file of options: one flat JSON object whose keys are the options' names in kebab-case and whose values are strings, numbers
/// (counts) or booleans (switches); comments and trailing commas are allowed.
/// <code>{ "native-listen": "0.0.0.0:5240", "reactors": 4, "pin-reactors": false, "idle-timeout": "5m" }</code>
/// One name stands for an object: <c>"alerts": { "commit": "100ms" }</c> is the same as <c>"alert-commit": "100ms"</c>.
/// </summary>
internal static class OptionFile
{
    private static readonly JsonDocumentOptions Dialect = new() { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true };

    /// <summary>Reads what the file gives; what is wrong with it goes to <paramref name="errors"/>, each naming the file as <paramref name="shown"/>.</summary>
    public static IReadOnlyList<RawOption> Read(string path, string shown, List<string> errors)
    {
        var options = new List<RawOption>();
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllText(path), Dialect);
            if (document.RootElement.ValueKind == JsonValueKind.Object)
            {
                foreach (var property in document.RootElement.EnumerateObject())
                {
                    if (property is { Name: AlertTable.Object, Value.ValueKind: JsonValueKind.Object })
                    {
                        foreach (var alert in property.Value.EnumerateObject())
                            Take($"{shown}: {AlertTable.Object}: {alert.Name}", AlertTable.Prefix + alert.Name, alert.Value, options, errors);
                    }
                    else
                    {
                        Take($"{shown}: {property.Name}", property.Name, property.Value, options, errors);
                    }
                }
            }
            else
            {
                errors.Add($"{shown}: the file must hold one object, as in {{ \"reactors\": 4 }}");
            }
        }
        catch (JsonException e)
        {
            errors.Add($"{shown}: line {e.LineNumber + 1}: not JSON: {FirstSentence(e.Message)}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            errors.Add(e is FileNotFoundException or DirectoryNotFoundException ? $"{shown}: there is no such file" : $"{shown}: cannot be read: {e.Message}");
        }

        return options;
    }

    private static void Take(string origin, string name, JsonElement value, List<RawOption> options, List<string> errors)
    {
        if (OptionTable.Find(name) is null)
            errors.Add($"{origin}: {UnknownOption.Describe(name, o => o.Name)}");
        else if (name == OptionTable.Config.Name)
            errors.Add($"{origin}: a file of options cannot name another");
        else if (options.Any(o => o.Name == name))
            errors.Add($"{origin}: given twice");
        else if (TextOf(value) is { } text)
            options.Add(new RawOption(name, text, OptionSource.File, origin));
        else
            errors.Add($"{origin}: a string, a number, true or false belongs here");
    }

    private static string? TextOf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString(),
        JsonValueKind.Number => value.GetRawText(),
        JsonValueKind.True => "on",
        JsonValueKind.False => "off",
        _ => null,
    };

    /// <summary>The framework appends a path and positions of its own.</summary>
    private static string FirstSentence(string message)
    {
        var end = message.IndexOf(". ", StringComparison.Ordinal);
        return end < 0 ? message : message[..end];
    }
}
