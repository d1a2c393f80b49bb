using System.Net;
using System.Net.Http.Headers;
using System.Text.RegularExpressions;
using Gateway.Server;
using Gateway.Server.Health.Alerts;
using Gateway.Tests.Repository;
using Gateway.Tests.Server;
using Xunit;

namespace Gateway.Tests.Page;

/// <summary>The page's files as they are served, and what they are made of.</summary>
public sealed partial class PageEndpointTests
{
    private static string Folder => RepositoryRoot.File("src", "Gateway.Server", "Operator", "Page");

    [Fact]
    public async Task Every_file_has_its_type_its_tag_and_a_policy_that_lets_nothing_else_in()
    {
        await using var api = await OperatorFixture.StartAsync();
        foreach (var (path, type) in FilesOfThePage().Append(("/runbook/MailboxBacklog", "text/markdown")))
        {
            using var answer = await api.Anonymous.GetAsync(path);

            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.Equal(type, answer.Content.Headers.ContentType?.MediaType);
            Assert.Equal(
                "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
                answer.Headers.GetValues("Content-Security-Policy").Single());
            Assert.Equal("nosniff", answer.Headers.GetValues("X-Content-Type-Options").Single());
            Assert.Equal("no-referrer", answer.Headers.GetValues("Referrer-Policy").Single());
            Assert.Equal("no-cache", answer.Headers.CacheControl?.ToString());
            Assert.NotNull(answer.Headers.ETag);
            Assert.False(answer.Headers.ETag.IsWeak);
        }
    }

    [Fact]
    public async Task Who_has_a_file_already_is_told_so_and_a_head_has_no_body()
    {
        await using var api = await OperatorFixture.StartAsync();
        using var first = await api.Anonymous.GetAsync("/page.js");
        foreach (var (tag, expected) in (ReadOnlySpan<(string, HttpStatusCode)>)
            [(first.Headers.ETag!.ToString(), HttpStatusCode.NotModified), ($"W/{first.Headers.ETag}", HttpStatusCode.NotModified), ("*", HttpStatusCode.NotModified), ("\"another\"", HttpStatusCode.OK)])
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/page.js");
            request.Headers.TryAddWithoutValidation("If-None-Match", tag);
            using var again = api.Anonymous.Send(request);
            Assert.Equal(expected, again.StatusCode);
            Assert.Equal(first.Headers.ETag, again.Headers.ETag);
        }

        using var head = await api.Anonymous.SendAsync(new HttpRequestMessage(HttpMethod.Head, "/"));
        Assert.Equal(HttpStatusCode.OK, head.StatusCode);
        Assert.True(head.Content.Headers.ContentLength > 1000);
        Assert.Empty(await head.Content.ReadAsByteArrayAsync());
    }

    [Fact]
    public async Task Away_from_loopback_the_files_need_no_token_and_the_figures_do()
    {
        await using var api = await OperatorFixture.StartAsync(GatewayOptions.Default with { OperatorListen = new IPEndPoint(IPAddress.Any, 0) });
        foreach (var path in FilesOfThePage().Select(f => f.Path).Append("/runbook/CommitSlow"))
        {
            using var answer = await api.Anonymous.GetAsync(path);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        }

        foreach (var path in (string[])["/status", "/ops/top?kind=mailboxes", "/ops/flight", "/page.map", "/runbook"])
        {
            using var answer = await api.Anonymous.GetAsync(path);
            Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        }

        using var look = new HttpRequestMessage(HttpMethod.Get, "/status");
        look.Headers.Authorization = new AuthenticationHeaderValue("Bearer", OperatorFixture.Keys.LookToken());
        using var seen = await api.Anonymous.SendAsync(look);
        Assert.Equal(HttpStatusCode.OK, seen.StatusCode);
    }

    [Theory]
    [InlineData("/page.map")]
    [InlineData("/index.html")]
    [InlineData("/PageFiles.cs")]
    [InlineData("/runbook/NoSuchAlert")]
    [InlineData("/runbook/../status2")]
    [InlineData("/anything")]
    public async Task What_is_no_file_of_the_page_is_not_found(string path)
    {
        await using var api = await OperatorFixture.StartAsync();
        using var answer = await api.Anonymous.GetAsync(path);
        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
    }

    [Fact]
    public async Task The_runbooks_section_of_each_alert_is_served_as_it_stands_in_the_file()
    {
        await using var api = await OperatorFixture.StartAsync();
        var file = await File.ReadAllTextAsync(RepositoryRoot.File("tools", "ops", "RUNBOOK.md"));
        var served = 0;
        foreach (var kind in AlertKinds.All)
        {
            if (!file.Contains($"## {kind.Name}\n", StringComparison.Ordinal)) continue;
            var text = await api.Anonymous.GetStringAsync($"/runbook/{kind.Name}");
            Assert.Contains($"## {kind.Name}\n{text.TrimEnd('\n')}", file, StringComparison.Ordinal);
            Assert.StartsWith("**Means.**", text, StringComparison.Ordinal);
            Assert.DoesNotContain("\n## ", text, StringComparison.Ordinal);
            served++;
        }

        Assert.True(served >= AlertKinds.All.Count - 1);
    }

    [Fact]
    public void The_page_has_no_script_or_style_in_it_and_refers_to_its_own_files_alone()
    {
        var html = File.ReadAllText(Path.Combine(Folder, "index.html"));

        Assert.DoesNotMatch(@"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", html);
        var references = ReferencePattern().Matches(html).Select(m => m.Groups[1].Value).Where(r => !r.StartsWith('#')).ToList();
        Assert.Equal(["icon.svg", "icon.svg", "page.css", "page.js"], references.Order());
        foreach (var file in Directory.GetFiles(Folder, "*.js"))
        {
            var script = File.ReadAllText(file);
            Assert.DoesNotMatch(@"https?://(?!www\.w3\.org/2000/svg)|innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", script);
            foreach (Match import in ImportPattern().Matches(script)) Assert.True(File.Exists(Path.Combine(Folder, import.Groups[1].Value)), $"{file} imports {import.Groups[1].Value}");
        }

        Assert.DoesNotContain("url(", File.ReadAllText(Path.Combine(Folder, "page.css")), StringComparison.Ordinal);
    }

    private static IEnumerable<(string Path, string Type)> FilesOfThePage()
    {
        var files = Directory.GetFiles(Folder).Select(f => Path.GetFileName(f)!).Where(f => !f.EndsWith(".cs", StringComparison.Ordinal)).ToList();
        Assert.Contains("page.js", files);
        return files.Select(f => (f == "index.html" ? "/" : $"/{f}", Path.GetExtension(f) switch
        {
            ".html" => "text/html",
            ".css" => "text/css",
            ".js" => "text/javascript",
            _ => "image/svg+xml",
        }));
    }

    [GeneratedRegex("""(?:href|src)="([^"]+)""")]
    private static partial Regex ReferencePattern();

    [GeneratedRegex("from '\\./([^']+)'")]
    private static partial Regex ImportPattern();
}
