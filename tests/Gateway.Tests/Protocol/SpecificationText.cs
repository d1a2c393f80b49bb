using System.Globalization;
using System.Text.RegularExpressions;
using Gateway.Tests.Repository;

namespace Gateway.Tests.Protocol;

/// <summary>PROTOCOL.md as data: its tables and its fenced blocks, so that tests can hold the code against what a stranger reads.</summary>
internal static partial class SpecificationText
{
    public sealed record FieldRow(int Offset, int? Size, string Type, string Name);

    public static string Text { get; } = File.ReadAllText(RepositoryRoot.File("src", "Gateway.Protocol", "PROTOCOL.md"));

    /// <summary>The text from a heading up to the next of the same or a higher level.</summary>
    public static string Section(string heading)
    {
        var start = Text.IndexOf($"\n{heading}\n", StringComparison.Ordinal);
        if (start < 0) throw new InvalidOperationException($"PROTOCOL.md has no heading '{heading}'");
        var level = heading.IndexOf(' ', StringComparison.Ordinal);
        var end = Headings().Matches(Text, start + 1 + heading.Length).FirstOrDefault(h => h.Groups[1].Length <= level);
        return Text[start..(end?.Index ?? Text.Length)];
    }

    /// <summary>The rows of every table in a text, cell by cell, head and ruler left out.</summary>
    public static List<string[]> Rows(string text)
    {
        var rows = new List<string[]>();
        var lines = text.Split('\n');
        for (var i = 2; i < lines.Length; i++)
        {
            if (!lines[i].StartsWith('|') || lines[i].StartsWith("|---", StringComparison.Ordinal)) continue;
            if (i + 1 < lines.Length && lines[i + 1].StartsWith("|---", StringComparison.Ordinal)) continue;
            rows.Add([.. lines[i].Trim('|').Split('|').Select(c => c.Trim())]);
        }

        return rows;
    }

    /// <summary>The field table of a section.</summary>
    public static List<FieldRow> Fields(string section) =>
    [
        .. Rows(section).Where(r => r.Length == 5).Select(r => new FieldRow(
            int.Parse(r[0], CultureInfo.InvariantCulture), int.TryParse(r[1], CultureInfo.InvariantCulture, out var size) ? size : null,
            r[2], r[3])),
    ];

    /// <summary>Sections that describe a frame: name, type value, text.</summary>
    public static IEnumerable<(string Name, byte Type, string Section)> FrameSections() => FrameHeadings().Matches(Text).Select(m => (
        m.Groups[1].Value, Convert.ToByte(m.Groups[2].Value, 16), Section(m.Value)));

    /// <summary>Fenced blocks of hex: the vector's name that the block bears, and the bytes.</summary>
    public static IEnumerable<(string Name, byte[] Bytes)> HexBlocks(string text) => Blocks().Matches(text).Select(m => (
        m.Groups[1].Value, Convert.FromHexString(Comments().Replace(m.Groups[2].Value, ""))));

    [GeneratedRegex(@"^(#+) ", RegexOptions.Multiline)]
    private static partial Regex Headings();

    [GeneratedRegex(@"^### (\w+) \(0x(..)\)$", RegexOptions.Multiline)]
    private static partial Regex FrameHeadings();

    [GeneratedRegex(@"^```hex (\S+)\n(.*?)^```$", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Blocks();

    [GeneratedRegex(@"#.*|\s")]
    private static partial Regex Comments();
}
