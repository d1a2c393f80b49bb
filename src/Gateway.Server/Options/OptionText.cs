using System.Text;

namespace Gateway.Server.Options;

/// <summary>What <c>--help</c> and <c>check-config</c> print.</summary>
internal static class OptionText
{
    public static string Help()
    {
        var text = new StringBuilder();
        text.Append("""
            gateway: holds connections, takes messages, keeps them durably until the recipient's device has acknowledged them.

              gateway [--option value ...]                starts a node; prints one line per endpoint, then 'gateway ready'
              gateway check-config [--option value ...]   checks the options, prints them with their sources, starts nothing
              gateway --help | --version

            Options come from gateway.json, from the environment and from the command line; the later wins.
              gateway.json   { "idle-timeout": "5m", "reactors": 4, "pin-reactors": false }
              environment    GATEWAY__IDLE_TIMEOUT=5m
              command line   --idle-timeout 5m


            """);
        foreach (var option in OptionTable.All)
        {
            text.Append("  ").Append(option.CommandLineName).Append(' ').Append(option.Placeholder).Append('\n');
            text.Append("        ").Append(option.Help).Append('\n');
            text.Append("        default ").Append(option.DefaultText);
            if (option.Range.Length > 0) text.Append("; ").Append(option.Range);
            if (option.ChangeableAtRunTime) text.Append("; can be changed while the node runs");
            text.Append('\n');
        }

        text.Append("""

            DURATION is a number and one of us, ms, s, m, h, d, as in 30s. SIZE is a number and one of B, KiB, MiB, GiB, as in 64KiB.

            Signals: SIGTERM or SIGINT drains and exits; a second one exits at once.
            Exit codes:
            """);
        text.Append('\n');
        foreach (var (code, meaning) in ExitCode.Meanings) text.Append("  ").Append($"{code,-5}").Append(meaning).Append('\n');
        return text.ToString();
    }

    /// <summary>Every option with its value and the source that gave it, one a line.</summary>
    public static string Effective(OptionValues values)
    {
        var text = new StringBuilder();
        foreach (var option in OptionTable.All)
        {
            var source = values.Source(option) == OptionSource.Default ? "default" : values.Origin(option);
            text.Append($"{option.Name,-24} {option.Format(values.Value(option)),-20} {source}\n");
        }

        return text.ToString();
    }
}
