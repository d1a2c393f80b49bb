using System.Globalization;
using System.Net;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace Gateway.Server.Health.Alerts;

/// <summary>
/// Posts alerts to Alertmanager: <c>POST /api/v2/alerts</c>, a JSON array (its openapi.yaml, "postableAlerts"). What is active is sent when it changes and
/// again every interval, with an end a few intervals away, so that it resolves by itself when the node is gone; what was cleared is sent with its end until
/// it was taken once. An attempt that takes too long is given up, the next waits twice as long. With nothing to tell an empty array is posted: a receiver
/// that hangs is to be known before it is needed.
/// <para>One loop on the thread pool. Nobody waits for it: it is told by <see cref="Tell"/>, which only replaces what is to be sent next, so nothing queues
/// up. Invariant: at most <see cref="MaxCleared"/> cleared alerts wait, beyond that the oldest are dropped, counted in the log.</para>
/// </summary>
internal sealed class AlertWebhook : IAsyncDisposable
{
    public const int MaxCleared = 256;

    /// <summary>WebhookFailing is raised after this long without success.</summary>
    public static readonly TimeSpan FailingAfter = TimeSpan.FromSeconds(15);

    private const string Path = "/api/v2/alerts";
    private const int IntervalsUntilEnd = 4;

    private static readonly TimeSpan AttemptLimit = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan FirstBackoff = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestBackoff = TimeSpan.FromMinutes(1);

    private readonly HttpClient _http;
    private readonly Func<AlertThresholds> _thresholds;
    private volatile AlertIdentity _identity;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly CancellationTokenSource _stop = new();
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly Lock _gate = new();
    private readonly List<Alert> _cleared = [];
    private IReadOnlyList<Alert> _active = [];
    private Failure? _failure;
    private Task _loop = Task.CompletedTask;

    private sealed record Failure(long Since, string Error);

    /// <param name="handler">How HTTP is spoken.</param>
    /// <param name="thresholds">With the address and the interval as they stand.</param>
    /// <param name="identity">How the node and its devices are called.</param>
    /// <param name="time">For intervals and limits.</param>
    /// <param name="log">Where failures are told, once each time they begin.</param>
    public AlertWebhook(HttpMessageHandler handler, Func<AlertThresholds> thresholds, AlertIdentity identity, TimeProvider time, ILogger log)
    {
        _http = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
        (_thresholds, _identity, _time, _log) = (thresholds, identity, time, log);
    }

    /// <summary>Follows no redirect and keeps no cookie: what it is told to post to is what it posts to.</summary>
    public static HttpMessageHandler DefaultHandler() => new SocketsHttpHandler
    {
        AllowAutoRedirect = false, UseCookies = false, ConnectTimeout = AttemptLimit, PooledConnectionLifetime = TimeSpan.FromMinutes(5),
    };

    /// <summary>How long nothing was taken, and why; zero while all is well or there is no webhook. Any thread.</summary>
    public (TimeSpan For, string Error) Failing =>
        Volatile.Read(ref _failure) is { } failure ? (_time.GetElapsedTime(failure.Since), failure.Error) : (TimeSpan.Zero, "");

    /// <summary>How the node and its devices are called, from the next post on. Any thread.</summary>
    public AlertIdentity Identity
    {
        get => _identity;
        set => _identity = value;
    }

    public void Start() => _loop = Task.Run(RunAsync);

    /// <summary>Replaces what is active and adds what was cleared. Any thread; returns at once.</summary>
    public void Tell(IReadOnlyList<Alert> alerts, IReadOnlyList<Alert> changes)
    {
        var dropped = 0;
        lock (_gate)
        {
            _active = [.. alerts.Where(a => a.State == AlertState.Active)];
            if (_thresholds().Webhook.Length > 0) _cleared.AddRange(changes.Where(a => a.State == AlertState.Cleared));
            // Raised again before it was told to be over: it never was.
            _cleared.RemoveAll(c => _active.Any(a => IsSame(a, c)));
            dropped = Math.Max(0, _cleared.Count - MaxCleared);
            _cleared.RemoveRange(0, dropped);
        }

        if (dropped > 0) _log.LogWarning("{Dropped} cleared alerts were never told to the webhook: it has taken nothing for too long", dropped);
        if (changes.Count > 0) Wake();
    }

    /// <summary>The address may have changed.</summary>
    public void Wake() => _wake.Writer.TryWrite(true);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loop;
        _http.Dispose();
        _stop.Dispose();
    }

    /// <summary>The body of a post.</summary>
    internal byte[] BodyOf(IReadOnlyList<Alert> active, IReadOnlyList<Alert> cleared, DateTimeOffset now, TimeSpan interval) => JsonSerializer.SerializeToUtf8Bytes(
        active.Select(a => Posted(a, now + interval * IntervalsUntilEnd)).Concat(cleared.Select(a => Posted(a, a.ClearedAt!.Value))), PostedAlert.Json);

    private async Task RunAsync()
    {
        var backoff = FirstBackoff;
        try
        {
            while (true)
            {
                var thresholds = _thresholds();
                TimeSpan pause;
                if (thresholds.Webhook.Length == 0)
                {
                    Volatile.Write(ref _failure, null);
                    pause = thresholds.WebhookInterval;
                }
                else if (await PostAsync(thresholds))
                {
                    (backoff, pause) = (FirstBackoff, thresholds.WebhookInterval);
                }
                else
                {
                    // A change does not make it try sooner: it would be asked the more, the worse it goes.
                    await Task.Delay(backoff, _time, _stop.Token);
                    backoff = TimeSpan.FromTicks(Math.Min(backoff.Ticks * 2, LongestBackoff.Ticks));
                    continue;
                }

                await WaitAsync(pause);
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // The node ends; what was not told resolves by itself.
        }
    }

    private async Task WaitAsync(TimeSpan pause)
    {
        using var limit = new CancellationTokenSource(pause, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, _stop.Token);
        try
        {
            await _wake.Reader.ReadAsync(either.Token);
        }
        catch (OperationCanceledException) when (!_stop.IsCancellationRequested)
        {
            // The interval is over.
        }
    }

    private async Task<bool> PostAsync(AlertThresholds thresholds)
    {
        IReadOnlyList<Alert> active;
        Alert[] cleared;
        lock (_gate) (active, cleared) = (_active, [.. _cleared]);
        var began = _time.GetTimestamp();
        var error = await TryPostAsync(AddressOf(thresholds.Webhook), BodyOf(active, cleared, _time.GetUtcNow(), thresholds.WebhookInterval));
        if (error is null)
        {
            if (Interlocked.Exchange(ref _failure, null) is not null) _log.LogInformation("The webhook takes alerts again");
            lock (_gate) _cleared.RemoveAll(cleared.Contains);
            return true;
        }

        var before = Volatile.Read(ref _failure);
        Volatile.Write(ref _failure, new Failure(before?.Since ?? began, error));
        if (before is null) _log.LogWarning("The webhook did not take an alert: {Error}. It is tried again", error);
        return false;
    }

    /// <summary>Null: it was taken.</summary>
    private async Task<string?> TryPostAsync(Uri address, byte[] body)
    {
        using var limit = new CancellationTokenSource(AttemptLimit, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, _stop.Token);
        // Its path may hold a secret of the receiver's, as chat services have it.
        var place = address.GetLeftPart(UriPartial.Authority);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, address) { Content = new ByteArrayContent(body) };
            request.Content.Headers.ContentType = new("application/json");
            using var answer = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, either.Token);
            return answer.IsSuccessStatusCode ? null : string.Create(CultureInfo.InvariantCulture, $"{place} answered {(int)answer.StatusCode}");
        }
        catch (HttpRequestException e)
        {
            return $"{place}: {(e.InnerException ?? e).Message}";
        }
        catch (OperationCanceledException) when (!_stop.IsCancellationRequested)
        {
            return string.Create(CultureInfo.InvariantCulture, $"{place} did not answer within {AttemptLimit.TotalSeconds:0} s");
        }
    }

    private PostedAlert Posted(Alert alert, DateTimeOffset end)
    {
        // Name and instance as Prometheus has them, so that an Alertmanager sees that both speak of the same; the source tells them apart.
        var (identity, given) = (_identity, _thresholds().Instance);
        var labels = new Dictionary<string, string>
        {
            ["alertname"] = alert.Kind.Name, ["instance"] = given.Length > 0 ? given : identity.Instance, ["severity"] = alert.Kind.Severity, ["source"] = "node",
        };
        if (alert.Queue.Length > 0) labels["queue"] = alert.Queue;
        if (alert.Reactor >= 0) labels["reactor"] = alert.Reactor.ToString(CultureInfo.InvariantCulture);
        return new PostedAlert(
            labels,
            new Dictionary<string, string>
            {
                ["summary"] = $"{alert.Kind.Name}: {alert.Culprit}",
                ["culprit"] = alert.Culprit,
                ["top"] = string.Join(", ", alert.Top.Select(t => string.Create(CultureInfo.InvariantCulture, $"{identity.Show(t)} {t.Value:0.#} {t.Unit}"))),
                ["causes"] = string.Join("; ", alert.Kind.Causes),
                ["value"] = string.Create(CultureInfo.InvariantCulture, $"{alert.Value:0.###} {alert.Kind.Unit}, threshold {alert.Threshold:0.###}"),
                ["runbook_url"] = alert.Kind.Runbook,
            },
            alert.Since, end, identity.StatusUrl);
    }

    private static Uri AddressOf(string webhook) => new(webhook.EndsWith(Path, StringComparison.Ordinal) ? webhook : webhook.TrimEnd('/') + Path);

    private static bool IsSame(Alert a, Alert b) => a.Kind == b.Kind && a.Queue == b.Queue && a.Reactor == b.Reactor;

    /// <summary>As Alertmanager's API has it.</summary>
    private sealed record PostedAlert(
        IReadOnlyDictionary<string, string> Labels, IReadOnlyDictionary<string, string> Annotations, DateTimeOffset StartsAt, DateTimeOffset EndsAt,
        [property: JsonPropertyName("generatorURL")] string GeneratorUrl)
    {
        public static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);
    }
}

/// <summary>How a node and the devices in its alerts are called outside.</summary>
/// <param name="Instance">The label.</param>
/// <param name="StatusUrl">Where more is to be seen.</param>
/// <param name="Show">A device's pseudonym.</param>
internal sealed record AlertIdentity(string Instance, string StatusUrl, Func<Top.TopEntry, string> Show)
{
    /// <param name="endpoint">The operator's. One on all addresses has none that means anything elsewhere; then the machine's name stands for it.</param>
    /// <param name="show">A device's pseudonym.</param>
    public static AlertIdentity At(IPEndPoint endpoint, Func<Top.TopEntry, string> show)
    {
        var isEverywhere = endpoint.Address.Equals(IPAddress.Any) || endpoint.Address.Equals(IPAddress.IPv6Any);
        var name = isEverywhere ? string.Create(CultureInfo.InvariantCulture, $"{Environment.MachineName}:{endpoint.Port}") : endpoint.ToString();
        return new AlertIdentity(name, $"http://{name}/status", show);
    }
}
