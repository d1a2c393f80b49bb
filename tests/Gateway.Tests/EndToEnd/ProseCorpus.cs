using System.Text;
using System.Text.RegularExpressions;

namespace Gateway.Tests.EndToEnd;

/// <summary>
/// Real prose, as much as a test asks for, on any machine that can build this repository: the English documentation that the SDK's
/// reference packs carry (Microsoft.NETCore.App.Ref), one sentence or so a line, tags taken out.
/// </summary>
internal static partial class ProseCorpus
{
    /// <summary>Writes <paramref name="lines"/> lines to a file. False with a reason when the SDK came without its reference packs.</summary>
    public static bool TryWrite(string path, int lines, out string reason)
    {
        using var writer = new StreamWriter(path, false, new UTF8Encoding(false)) { NewLine = "\n" };
        return Has(lines, out reason, writer.WriteLine);
    }

    /// <summary>Whether there are so many lines; each is handed to <paramref name="take"/>.</summary>
    public static bool Has(int lines, out string reason, Action<string>? take = null)
    {
        var found = 0;
        foreach (var line in Lines())
        {
            take?.Invoke(line);
            if (++found < lines) continue;
            reason = "";
            return true;
        }

        reason = $"the SDK's reference packs hold {found:N0} lines of prose, {lines:N0} are needed";
        return false;
    }

    private static IEnumerable<string> Lines() => Sources()
        .SelectMany(File.ReadLines)
        .Select(line => Tag().Replace(line, " ").Trim())
        .Where(text => text.Count(c => c == ' ') >= 3);

    private static IEnumerable<string> Sources()
    {
        // .../dotnet/shared/Microsoft.NETCore.App/<version>/ of the running runtime; the packs lie beside "shared".
        var root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(typeof(object).Assembly.Location)!, "..", "..", ".."));
        var packs = Path.Combine(root, "packs");
        return !Directory.Exists(packs)
            ? []
            : Directory.EnumerateFiles(packs, "*.xml", SearchOption.AllDirectories).Order(StringComparer.Ordinal);
    }

    [GeneratedRegex("<[^>]*>")]
    private static partial Regex Tag();
}
