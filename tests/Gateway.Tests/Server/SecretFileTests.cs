using Gateway.Protocol;
using Gateway.Server;
using Gateway.Server.Hosting;
using Xunit;

namespace Gateway.Tests.Server;

/// <summary>DATA/secret: made once, trusted only when nobody else can read it, never replaced.</summary>
public sealed class SecretFileTests : IDisposable
{
    private const string Digits = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_first_start_makes_folder_and_secret_for_their_owner_alone()
    {
        var data = _folder.File("a/b/data");
        SecretFile.OpenOrCreate(data);

        var file = Path.Combine(data, "secret");
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(data));
        Assert.Matches("^[0-9a-f]{64}\n$", File.ReadAllText(file));
        Assert.Equal([file], Directory.GetFileSystemEntries(data));
    }

    [Fact]
    public void The_next_start_finds_the_same_secret()
    {
        var first = SecretFile.OpenOrCreate(_folder.Path).OperatorToken();

        Assert.Equal(first, SecretFile.OpenOrCreate(_folder.Path).OperatorToken());
    }

    [Fact]
    public void Two_folders_get_different_secrets()
    {
        Assert.NotEqual(SecretFile.OpenOrCreate(_folder.File("a")).OperatorToken(), SecretFile.OpenOrCreate(_folder.File("b")).OperatorToken());
    }

    [Fact]
    public async Task Of_two_nodes_that_start_at_once_both_get_one_secret()
    {
        // Which of them is first is a matter of microseconds, so it is tried often.
        for (var attempt = 0; attempt < 100; attempt++)
        {
            var folder = _folder.File($"data{attempt}");
            var tokens = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => SecretFile.OpenOrCreate(folder).OperatorToken())));
            Assert.Single(tokens.Distinct());
        }
    }

    [Theory]
    [InlineData(UnixFileMode.GroupRead, "0640")]
    [InlineData(UnixFileMode.OtherRead, "0604")]
    [InlineData(UnixFileMode.GroupWrite, "0620")]
    [InlineData(UnixFileMode.OtherExecute, "0601")]
    public void A_secret_that_others_may_touch_is_refused(UnixFileMode more, string shown)
    {
        var file = Secret(Digits + "\n");
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite | more);

        var error = Assert.Throws<NodeStartException>(() => SecretFile.OpenOrCreate(_folder.Path));

        Assert.Contains($"mode {shown}", error.Message, StringComparison.Ordinal);
        Assert.Contains($"chmod 600 {file}", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_secret_that_its_owner_may_only_read_is_fine()
    {
        var file = Secret(Digits);
        File.SetUnixFileMode(file, UnixFileMode.UserRead);

        Assert.Equal(new NodeKeys(Convert.FromHexString(Digits)).OperatorToken(), SecretFile.OpenOrCreate(_folder.Path).OperatorToken());
    }

    [Theory]
    [InlineData("", "64 hex digits; this has 0 characters")]
    [InlineData("0011", "64 hex digits; this has 4 characters")]
    [InlineData("zz112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", "64 hex digits; this holds another character")]
    public void A_broken_secret_is_refused_and_never_shown(string text, string expected)
    {
        Secret(text);

        var error = Assert.Throws<NodeStartException>(() => SecretFile.OpenOrCreate(_folder.Path));

        Assert.EndsWith(expected, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("2233445566", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_that_has_lost_its_secret_is_refused()
    {
        _folder.Write("segment.0", "messages");

        var error = Assert.Throws<NodeStartException>(() => SecretFile.OpenOrCreate(_folder.Path));

        Assert.Contains("secret is missing", error.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(_folder.File("secret")));
    }

    [Fact]
    public void What_a_start_cut_short_has_left_does_not_count()
    {
        _folder.Write("secret.abc.new", "half");
        Directory.CreateDirectory(_folder.File("lost+found"));

        SecretFile.OpenOrCreate(_folder.Path);

        Assert.True(File.Exists(_folder.File("secret")));
    }

    [Fact]
    public void A_data_folder_that_is_a_file_is_refused()
    {
        var file = _folder.Write("data", "");

        Assert.Equal($"{file}: the data folder is a file", Assert.Throws<NodeStartException>(() => SecretFile.OpenOrCreate(file)).Message);
    }

    [Fact]
    public void A_data_folder_that_cannot_be_made_is_named_with_the_reason()
    {
        var error = Assert.Throws<NodeStartException>(() => SecretFile.OpenOrCreate("/proc/gateway-data"));

        Assert.StartsWith("/proc/gateway-data: the data folder cannot be used: ", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Pseudonyms_are_stable_distinct_and_differ_from_node_to_node()
    {
        var one = new NodeKeys(Convert.FromHexString(Digits));
        var other = new NodeKeys(new byte[32]);
        var addresses = Enumerable.Range(1, 2000).Select(n => new Address(AddressKind.User, (ulong)n)).ToArray();

        Assert.Equal(2000, addresses.Select(one.Pseudonym).Distinct().Count());
        Assert.All(addresses, a => Assert.Matches("^~[a-z2-7]{8}$", one.Pseudonym(a)));
        Assert.Equal(one.Pseudonym(addresses[0]), one.Pseudonym(addresses[0]));
        Assert.NotEqual(one.Pseudonym(addresses[0]), other.Pseudonym(addresses[0]));
    }

    [Fact]
    public void The_keys_print_nothing_of_the_secret() => Assert.Equal("node keys", new NodeKeys(Convert.FromHexString(Digits)).ToString());

    private string Secret(string text)
    {
        var file = _folder.Write("secret", text);
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return file;
    }
}
