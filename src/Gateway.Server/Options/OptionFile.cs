using System.Text.Json;

namespace Gateway.Server.Options;

/// <summary>
/// Reads the file of options: one flat JSON object whose keys are the options' names in kebab-case and whose values are strings, numbers
/// (counts) or booleans (switches); comments and trailing commas are allowed.
/// <code>{ "native-listen": "0.0.0.0:5240", "reactors": 4, "pin-reactors": false, "idle-timeout": "5m" }</code>
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
                foreach (var property in document.RootElement.EnumerateObject()) Take(shown, property, options, errors);
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

    private static void Take(string shown, JsonProperty property, List<RawOption> options, List<string> errors)
    {
        var origin = $"{shown}: {property.Name}";
        if (OptionTable.Find(property.Name) is null)
            errors.Add($"{origin}: {UnknownOption.Describe(property.Name, o => o.Name)}");
        else if (property.Name == OptionTable.Config.Name)
            errors.Add($"{origin}: a file of options cannot name another");
        else if (options.Any(o => o.Name == property.Name))
            errors.Add($"{origin}: given twice");
        else if (TextOf(property.Value) is { } text)
            options.Add(new RawOption(property.Name, text, OptionSource.File, origin));
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
