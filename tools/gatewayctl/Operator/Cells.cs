using System.Globalization;
using System.Text.Json.Nodes;
using Spectre.Console;

namespace Gateway.Ctl.Operator;

/// <summary>What the tables of operator commands have in common.</summary>
internal static class Cells
{
    public static Table Rows(params string[] columns)
    {
        var table = new Table { Border = TableBorder.Simple };
        foreach (var column in columns) table.AddColumn(Markup.Escape(column), c => c.NoWrap());
        return table;
    }

    public static string Number(JsonNode? value) => value is null ? "" : ((long)value).ToString("N0", CultureInfo.InvariantCulture);

    public static string YesOrNo(JsonNode? value) => value is null ? "" : (bool)value ? "yes" : "NO";

    public static string Moment(JsonNode? value) =>
        value is null ? "" : ((DateTimeOffset)value).UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);
}
