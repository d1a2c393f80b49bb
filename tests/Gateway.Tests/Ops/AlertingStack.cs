using System.Text.Json;
using System.Text.RegularExpressions;
using Gateway.Tests.Repository;
using Xunit;

namespace Gateway.Tests.Ops;

/// <summary>
/// A real Prometheus and a real Alertmanager on ports of their own, with the shipped files. Changed in them are addresses, and times, which are
/// shortened to a second or two; no rule's expression is.
/// </summary>
internal sealed partial class AlertingStack : IAsyncDisposable
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromMinutes(2);

    private readonly HttpClient _http = new();
    private readonly string _folder;
    private ChildProgram? _prometheus;
    private ChildProgram? _alertmanager;

    private AlertingStack(string folder) => _folder = folder;

    /// <summary>Once it scrapes.</summary>
    public Uri Prometheus { get; private set; } = null!;
    public Uri Alertmanager { get; private set; } = null!;

    /// <summary>The Alertmanager alone, which a node's own alerts may come to before anybody scrapes it.</summary>
    /// <param name="folder">For configurations and data.</param>
    /// <param name="receiver">Takes the notifications.</param>
    public static async Task<AlertingStack> StartAsync(string folder, NotificationReceiver receiver)
    {
        var stack = new AlertingStack(folder);
        try
        {
            stack.Alertmanager = await stack.StartAlertmanagerAsync(receiver);
            return stack;
        }
        catch
        {
            await stack.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts the Prometheus.</summary>
    /// <param name="node">The operator's endpoint of the node to be scraped without a token, as a target.</param>
    /// <param name="withToken">Another such; null: the shipped example of a job with a token stays a comment.</param>
    /// <param name="tokenFile">Of that one.</param>
    public async Task ScrapeAsync(string node, string? withToken = null, string? tokenFile = null)
    {
        Directory.CreateDirectory(Path.Combine(_folder, "rules"));
        foreach (var rules in RuleFiles.Rules)
            await File.WriteAllTextAsync(Path.Combine(_folder, "rules", Path.GetFileName(rules)), ForPattern().Replace(await File.ReadAllTextAsync(rules), "${1}2s"));
        var text = await File.ReadAllTextAsync(Path.Combine(RuleFiles.Folder, "prometheus.yml"));
        if (withToken is not null)
            text = Put(Put(CommentedJobPattern().Replace(text, "  "), "gateway-1.example:5249", withToken), "credentials_file: gateway-1.token", $"credentials_file: {tokenFile}");
        text = IntervalPattern().Replace(Put(Put(text, "127.0.0.1:5249", node), "127.0.0.1:9093", $"{Alertmanager.Authority}"), "${1}1s");
        var config = Path.Combine(_folder, "prometheus.yml");
        await File.WriteAllTextAsync(config, text);
        _prometheus = ChildProgram.StartFile(
            AlertingPackages.Prometheus, _folder,
            [$"--config.file={config}", $"--storage.tsdb.path={Path.Combine(_folder, "prometheus")}", "--web.listen-address=127.0.0.1:0"], [("GOMAXPROCS", "1")]);
        Prometheus = await AddressOfAsync(_prometheus);
    }

    /// <summary>The value of an expression that is to have one sample; null while it has none.</summary>
    public async Task<double?> QueryAsync(string expression)
    {
        var data = await AskAsync(new Uri(Prometheus, "api/v1/query?query=" + Uri.EscapeDataString(expression)));
        var samples = data.GetProperty("data").GetProperty("result").EnumerateArray().ToList();
        if (samples.Count == 0) return null;
        return double.Parse(samples.Single().GetProperty("value")[1].GetString()!, System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <summary>Prometheus' own view of an alert: its state, null while it is inactive.</summary>
    public async Task<string?> StateInPrometheusAsync(string alert)
    {
        var data = await AskAsync(new Uri(Prometheus, "api/v1/alerts"));
        return data.GetProperty("data").GetProperty("alerts").EnumerateArray()
            .Where(a => a.GetProperty("labels").GetProperty("alertname").GetString() == alert).Select(a => a.GetProperty("state").GetString()).SingleOrDefault();
    }

    /// <summary>The alerts of this name that Alertmanager holds for active.</summary>
    public async Task<IReadOnlyList<JsonElement>> InAlertmanagerAsync(string alert)
    {
        var data = await AskAsync(new Uri(Alertmanager, "api/v2/alerts?filter=" + Uri.EscapeDataString($"alertname=\"{alert}\"")));
        return [.. data.EnumerateArray()];
    }

    /// <summary>Gives the Alertmanager these alerts, as Prometheus and nodes do.</summary>
    public async Task PostAsync(byte[] alerts)
    {
        using var body = new ByteArrayContent(alerts);
        body.Headers.ContentType = new("application/json");
        using var answer = await _http.PostAsync(new Uri(Alertmanager, "api/v2/alerts"), body);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
    }

    /// <summary>What the Prometheus says went wrong with the last scrape of this target; empty when nothing did, null before the first.</summary>
    public async Task<string?> ScrapeErrorAsync(string target)
    {
        var data = await AskAsync(new Uri(Prometheus, "api/v1/targets"));
        var found = data.GetProperty("data").GetProperty("activeTargets").EnumerateArray().SingleOrDefault(t => t.GetProperty("labels").GetProperty("instance").GetString() == target);
        return found.ValueKind == JsonValueKind.Undefined || found.GetProperty("health").GetString() == "unknown" ? null : found.GetProperty("lastError").GetString();
    }

    /// <summary>How many rules the Prometheus has loaded.</summary>
    public async Task<int> CountRulesAsync()
    {
        var data = await AskAsync(new Uri(Prometheus, "api/v1/rules"));
        return data.GetProperty("data").GetProperty("groups").EnumerateArray().Sum(g => g.GetProperty("rules").GetArrayLength());
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        if (_prometheus is not null) await _prometheus.DisposeAsync();
        if (_alertmanager is not null) await _alertmanager.DisposeAsync();
    }

    private async Task<Uri> StartAlertmanagerAsync(NotificationReceiver receiver)
    {
        var shipped = await File.ReadAllTextAsync(RepositoryRoot.File("tools", "ops", "alertmanager", "alertmanager.yml"));
        var config = Path.Combine(_folder, "alertmanager.yml");
        var text = NotificationTimePattern().Replace(Put(shipped, "http://127.0.0.1:9095", receiver.Address), "${1}1s");
        await File.WriteAllTextAsync(config, text);
        _alertmanager = ChildProgram.StartFile(
            AlertingPackages.Alertmanager, AlertingPackages.AlertmanagerFolder,
            [$"--config.file={config}", $"--storage.path={Path.Combine(_folder, "alertmanager")}", "--web.listen-address=127.0.0.1:0", "--cluster.listen-address="], [("GOMAXPROCS", "1")]);
        return await AddressOfAsync(_alertmanager);
    }

    /// <summary>The shipped text with one thing in it replaced, which must be there.</summary>
    private static string Put(string text, string shipped, string own)
    {
        Assert.Contains(shipped, text, StringComparison.Ordinal);
        return text.Replace(shipped, own, StringComparison.Ordinal);
    }

    /// <summary>Where it listens, once it is ready; before that it answers 503.</summary>
    private async Task<Uri> AddressOfAsync(ChildProgram program)
    {
        using var limit = new CancellationTokenSource(StartLimit);
        while (true)
        {
            if (ListeningPattern().Match(program.Errors) is { Success: true } said)
            {
                var address = new Uri($"http://{said.Groups[1].Value}/");
                using var answer = await _http.GetAsync(new Uri(address, "-/ready"), limit.Token);
                if (answer.IsSuccessStatusCode) return address;
            }

            if (program.HasExited || limit.IsCancellationRequested) throw new InvalidOperationException($"It is not ready.\n{program.Output}\n{program.Errors}");
            await Task.Delay(20);
        }
    }

    private async Task<JsonElement> AskAsync(Uri address)
    {
        using var answer = await _http.GetAsync(address);
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.IsSuccessStatusCode, $"{address}: {(int)answer.StatusCode} {text}");
        using var document = JsonDocument.Parse(text);
        return document.RootElement.Clone();
    }

    /// <summary>What stands before each line of the shipped example of a job.</summary>
    [GeneratedRegex(@"^  # (?=- job_name: | {2,}[a-z_-])", RegexOptions.Multiline)]
    private static partial Regex CommentedJobPattern();

    [GeneratedRegex(@"msg=""Listening on"" address=(\S+)")]
    private static partial Regex ListeningPattern();

    [GeneratedRegex(@"^(\s+for: )\S+$", RegexOptions.Multiline)]
    private static partial Regex ForPattern();

    [GeneratedRegex(@"^(\s+(?:scrape_interval|scrape_timeout|evaluation_interval): )\S+$", RegexOptions.Multiline)]
    private static partial Regex IntervalPattern();

    [GeneratedRegex(@"^(\s+(?:group_wait|group_interval): )\S+$", RegexOptions.Multiline)]
    private static partial Regex NotificationTimePattern();
}
