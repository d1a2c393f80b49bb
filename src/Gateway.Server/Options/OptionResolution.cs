using System.Net;
using Gateway.Transport;

namespace Gateway.Server.Options;

/// <summary>
/// Options from all sources, joined and checked: command line over environment over file over default. All errors are found at once, each
/// a line that names where the value came from.
/// </summary>
/// <param name="Options">Null when there are errors.</param>
/// <param name="Values">What was understood, with its sources.</param>
/// <param name="Errors">For the operator, one a line.</param>
/// <param name="Notes">What was adjusted and why.</param>
internal sealed record OptionResolution(GatewayOptions? Options, OptionValues Values, IReadOnlyList<string> Errors, IReadOnlyList<string> Notes)
{
    /// <param name="commandLine">Its options; its own errors come first.</param>
    /// <param name="environment">All variables; those with another prefix are not ours.</param>
    /// <param name="folder">Where a relative path of the file of options begins.</param>
    /// <param name="limits">Of this process.</param>
    public static OptionResolution Of(CommandLine commandLine, IReadOnlyDictionary<string, string> environment, string folder, ProcessLimits limits)
    {
        var errors = new List<string>(commandLine.Errors);
        var notes = new List<string>();
        var raw = new List<RawOption>(commandLine.Options);
        raw.AddRange(FromEnvironment(environment, errors));
        raw.AddRange(FromFile(raw, folder, errors));

        var values = new OptionValues();
        foreach (var given in raw)
        {
            var option = OptionTable.Find(given.Name)!;
            if (option.TryParse(given.Text, out var value, out var error)) values.Offer(option, value, given.Source, given.Origin);
            else errors.Add($"{given.Origin}: {error}");
        }

        // Values that cannot be read have no relation to others.
        if (errors.Count == 0) CheckRelations(values, errors);
        if (errors.Count == 0)
        {
            LowerToLimits(values, limits, notes);
            FitSegments(values);
        }

        return new OptionResolution(errors.Count == 0 ? new GatewayOptions(values) : null, values, errors, notes);
    }

    private static IEnumerable<RawOption> FromEnvironment(IReadOnlyDictionary<string, string> environment, List<string> errors)
    {
        foreach (var (variable, text) in environment.OrderBy(v => v.Key, StringComparer.Ordinal))
        {
            if (!variable.StartsWith(Option.EnvironmentPrefix, StringComparison.Ordinal)) continue;
            var option = OptionTable.All.FirstOrDefault(o => o.EnvironmentName == variable);
            if (option is not null)
            {
                yield return new RawOption(option.Name, text, OptionSource.Environment, variable);
                continue;
            }

            var name = variable[Option.EnvironmentPrefix.Length..].Replace('_', '-').ToLowerInvariant();
            errors.Add($"{variable}: {UnknownOption.Describe(name, o => o.EnvironmentName)}");
        }
    }

    private static IReadOnlyList<RawOption> FromFile(List<RawOption> given, string folder, List<string> errors)
    {
        // The command line's comes first in the list.
        var named = given.FirstOrDefault(o => o.Name == OptionTable.Config.Name);
        var path = Path.Combine(folder, named?.Text ?? OptionTable.Config.DefaultText);
        if (named is null && !File.Exists(path)) return [];
        var shown = named?.Text ?? OptionTable.Config.DefaultText;
        if (named is { Text: "" }) return [];
        return OptionFile.Read(path, shown, errors);
    }

    private static void CheckRelations(OptionValues values, List<string> errors)
    {
        AtLeast(OptionTable.BufferHard, OptionTable.BufferSoft, 1);
        AtLeast(OptionTable.LogPage, OptionTable.MaxBody, 2);
        AtLeast(OptionTable.LogMemory, OptionTable.LogPage, 8);
        AtLeast(OptionTable.SegmentSize, OptionTable.LogPage, 2);

        var native = values.Get(OptionTable.NativeListen);
        var operators = values.Get(OptionTable.OperatorListen);
        if (native.Port == operators.Port && native.Port != 0 && Overlap(native.Address, operators.Address))
            errors.Add($"{values.Origin(OptionTable.OperatorListen)}: {operators} is taken by native-listen, {native} ({values.Origin(OptionTable.NativeListen)})");

        void AtLeast(Option<long> larger, Option<long> smaller, int times)
        {
            if (values.Get(larger) >= values.Get(smaller) * times) return;
            var often = times == 1 ? "" : $"{times} times ";
            errors.Add(
                $"{values.Origin(larger)}: {larger.Format(values.Get(larger))} is below {often}{smaller.Name}, "
                + $"{smaller.Format(values.Get(smaller))} ({values.Origin(smaller)})");
        }
    }

    private static bool Overlap(IPAddress a, IPAddress b) => a.Equals(b) || (a.AddressFamily == b.AddressFamily && (IsAny(a) || IsAny(b)));

    private static bool IsAny(IPAddress address) => address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any);

    private static void LowerToLimits(OptionValues values, ProcessLimits limits, List<string> notes)
    {
        var possible = limits.Connections;
        var wanted = values.Get(OptionTable.MaxConnections);
        if (wanted <= possible) return;
        // Asked for, the connections are to be had; the default asks for nothing, and epoll is what most is known of.
        var io = values.Get(OptionTable.Io);
        if (io == IoBackend.Uring) return;
        if (io == IoBackend.Auto && limits.HasUring && values.Source(OptionTable.MaxConnections) != OptionSource.Default) return;
        values.Adjust(OptionTable.MaxConnections, possible);
        notes.Add($"max-connections is {possible} in place of {wanted}: this process may open {limits.OpenFiles} files (ulimit -n)");
    }

    /// <summary>
    /// Compaction records the send windows of all devices again each time the log has grown by a segment and what is live: with many devices a larger
    /// segment spares most of that.
    /// </summary>
    private static void FitSegments(OptionValues values)
    {
        if (values.Source(OptionTable.SegmentSize) != OptionSource.Default) return;
        // As with files: the default of connections asks for nothing.
        if (values.Source(OptionTable.MaxConnections) == OptionSource.Default || values.Get(OptionTable.MaxConnections) < OptionTable.ManyConnections) return;
        values.Adjust(OptionTable.SegmentSize, OptionTable.SegmentBytesOfMany);
    }
}
