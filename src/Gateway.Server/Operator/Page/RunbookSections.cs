using System.Collections.Frozen;
using System.Text;

namespace Gateway.Server.Operator.Page;

/// <summary>
/// What tools/ops/RUNBOOK.md says of each alert, section by section, as the page shows it beside the alert: whoever was woken has no checkout at hand.
/// The text of this version of the node. Immutable.
/// </summary>
internal static class RunbookSections
{
    public const string Path = "/runbook/";

    private const string Resource = "RUNBOOK.md";
    private const string Heading = "## ";

    private static readonly FrozenDictionary<string, PageFile> Sections = Read().ToFrozenDictionary(s => s.Path, StringComparer.Ordinal);

    /// <summary>The section of an alert, by its name; null when it has none.</summary>
    public static PageFile? Of(string alert) => Sections.GetValueOrDefault(Path + alert);

    private static IEnumerable<PageFile> Read()
    {
        using var resource = new StreamReader(typeof(RunbookSections).Assembly.GetManifestResourceStream(Resource)!);
        var parts = resource.ReadToEnd().Split($"\n{Heading}");
        foreach (var part in parts.Skip(1))
        {
            var end = part.IndexOf('\n', StringComparison.Ordinal);
            yield return PageFiles.Of(Path + part[..end].Trim(), "text/markdown; charset=utf-8", Encoding.UTF8.GetBytes(part[end..].Trim() + "\n"));
        }
    }
}
