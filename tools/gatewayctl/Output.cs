using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Spectre.Console;

namespace Gateway.Ctl;

internal enum OutputFormat
{
    Text = 0,
    Json = 1,
}

/// <summary>
/// What a command prints. Results go to the output: text for a person, or JSON, one value a line. Everything else (progress, state,
/// errors) goes to the error stream, so that a script reads results alone.
/// </summary>
internal sealed class Output(OutputFormat format, TextWriter output, TextWriter errors)
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public OutputFormat Format { get; } = format;

    /// <summary>A result in both forms; the text is made only when it is wanted.</summary>
    public void Write(object json, Func<string> text) => output.WriteLine(Format == OutputFormat.Json ? Serialize(json) : text());

    /// <summary>A result as a table, or the value that it shows as JSON.</summary>
    public void WriteTable(JsonNode json, Table table)
    {
        if (Format == OutputFormat.Json)
        {
            output.WriteLine(Serialize(json));
            return;
        }

        var terminal = ReferenceEquals(output, Console.Out) && !Console.IsOutputRedirected;
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(output),
            Ansi = terminal ? AnsiSupport.Detect : AnsiSupport.No,
        });
        // Into a file or a pipe a table is as wide as it is: eighty columns would break addresses.
        if (!terminal) console.Profile.Width = 400;
        console.Write(table);
    }

    /// <summary>One line about the work itself.</summary>
    public void Note(string text) => errors.WriteLine(text);

    public void Error(string message, int exitCode) =>
        errors.WriteLine(Format == OutputFormat.Json ? Serialize(new { error = message, exitCode }) : $"gatewayctl: {message}");

    public void Flush()
    {
        output.Flush();
        errors.Flush();
    }

    private static string Serialize(object value) => value is JsonNode node ? node.ToJsonString(Json) : JsonSerializer.Serialize(value, Json);
}
