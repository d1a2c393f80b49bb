using Gateway.Server.Options;
using Microsoft.Extensions.Logging;

namespace Gateway.Server.Hosting;

/// <summary>
/// SIGHUP: reads all sources of options again and applies what may change while the node runs. What is wrong changes nothing, and says so; what
/// needs a restart is listed each time until there is one. Calls come one at a time.
/// </summary>
/// <param name="running">What the node runs with.</param>
/// <param name="read">Reads all sources again.</param>
/// <param name="apply">Puts changed options into force; only those that may change are to be looked at.</param>
/// <param name="log">Where it is told.</param>
internal sealed class OptionReload(OptionValues running, Func<OptionResolution> read, Action<GatewayOptions, IReadOnlyList<Option>> apply, ILogger log)
{
    private readonly Dictionary<Option, string> _running = OptionTable.All.ToDictionary(o => o, o => o.Format(running.Value(o)));
    private readonly Lock _gate = new();

    public void Reload()
    {
        lock (_gate) ReloadNow();
    }

    private void ReloadNow()
    {
        var resolution = read();
        if (resolution.Options is not { } options)
        {
            log.LogError("SIGHUP: nothing was changed, the options are wrong: {Errors}", string.Join("; ", resolution.Errors));
            return;
        }

        var changed = OptionTable.All.Where(o => o.Format(resolution.Values.Value(o)) != _running[o]).ToList();
        var live = changed.Where(o => o.ChangeableAtRunTime).ToList();
        apply(options, live);
        foreach (var option in live)
        {
            var value = option.Format(resolution.Values.Value(option));
            log.LogInformation("SIGHUP: {Option} is {Value} from now on, {Before} before", option.Name, value, _running[option]);
            _running[option] = value;
        }

        foreach (var option in changed.Where(o => !o.ChangeableAtRunTime))
            log.LogWarning("SIGHUP: {Option} stays {Value} until a restart; {Wanted} is asked for", option.Name, _running[option], option.Format(resolution.Values.Value(option)));
        if (changed.Count == 0) log.LogInformation("SIGHUP: no option has changed");
    }
}
