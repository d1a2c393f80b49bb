using System.Text;
using Gateway.Client;
using Gateway.Ctl;
using Gateway.Ctl.Chat;
using Gateway.Ctl.Messaging;
using Gateway.Protocol;
using Xunit;

namespace Gateway.Tests.Ctl;

/// <summary>What a chat shows, and that nobody's message can do more than be shown.</summary>
public class ConversationTests
{
    private static readonly Address Bert = new(AddressKind.User, 15550002);
    private static readonly Address Carl = new(AddressKind.User, 15550003);

    [Fact]
    public void A_sent_line_gets_its_checks_and_never_loses_one()
    {
        var conversation = new Conversation(Bert, TimeProvider.System);
        var shown = new List<string>();
        conversation.Changed += line => shown.Add(Checks.Of(line!.State));

        conversation.OnAdded([new OutboxEntry(5, 1, Bert, SendKind.Message, 0, "hi"u8.ToArray()), new OutboxEntry(6, 2, Carl, SendKind.Message, 0, "no"u8.ToArray())]);
        foreach (var state in (MessageState[])[MessageState.Accepted, MessageState.Delivered, MessageState.Accepted, MessageState.Delivered])
            conversation.OnOutcome(5, new SendOutcome(state));
        conversation.OnOutcome(6, new SendOutcome(MessageState.Accepted));

        Assert.Equal(["…", "✓", "✓✓"], shown);
        Assert.Equal("hi", Assert.Single(conversation.Newest(10)).Text);
    }

    [Fact]
    public void Typing_shows_until_it_stops_a_message_comes_or_its_time_is_over()
    {
        var time = new Clock();
        var conversation = new Conversation(Bert, time);

        conversation.OnEphemeral(new ReceivedEphemeral(Carl, EphemeralKind.Typing, default));
        Assert.False(conversation.IsTyping);
        conversation.OnEphemeral(new ReceivedEphemeral(Bert, EphemeralKind.Typing, default));
        Assert.True(conversation.IsTyping);
        conversation.OnEphemeral(new ReceivedEphemeral(Bert, EphemeralKind.StoppedTyping, default));
        Assert.False(conversation.IsTyping);
        conversation.OnEphemeral(new ReceivedEphemeral(Bert, EphemeralKind.Typing, default));
        conversation.OnReceived(Message(Bert, "done"));
        Assert.False(conversation.IsTyping);
        conversation.OnEphemeral(new ReceivedEphemeral(Bert, EphemeralKind.Typing, default));
        time.Now += TimeSpan.FromSeconds(7);
        Assert.False(conversation.IsTyping);
    }

    [Fact]
    public void The_state_of_the_connection_keeps_its_reason_between_two_attempts()
    {
        var conversation = new Conversation(Bert, TimeProvider.System);

        conversation.OnState(new ClientStateChange(ClientState.Waiting, DisconnectReason.ConnectFailed, Detail: "refused"));
        conversation.OnState(new ClientStateChange(ClientState.Connecting));
        Assert.Equal("reconnecting: refused", conversation.Connection);
        conversation.OnState(new ClientStateChange(ClientState.Connected));
        Assert.Equal("connected", conversation.Connection);
    }

    [Fact]
    public void A_message_of_somebody_else_says_whose_it_is()
    {
        var conversation = new Conversation(Bert, TimeProvider.System);

        conversation.OnReceived(Message(Carl, "psst"));

        Assert.Equal("[from 15550003] psst", conversation.Newest(1)[0].Text);
    }

    [Theory]
    [InlineData("plain ✓ ümläut 🎈", "plain ✓ ümläut 🎈")]
    [InlineData("\e[2Jgone", "\uFFFD[2Jgone")]
    [InlineData("a\nb\tc\rd", "a b c\uFFFDd")]
    [InlineData("\u009B31mred\u0007", "\uFFFD31mred\uFFFD")]
    [InlineData("\u202Eevil\u2066", "\uFFFDevil\uFFFD")]
    public void Nothing_in_a_body_moves_the_cursor(string body, string shown) => Assert.Equal(shown, BodyText.Printable(Encoding.UTF8.GetBytes(body)));

    [Fact]
    public void What_is_no_utf8_is_shown_as_such() => Assert.Equal("a\uFFFDb", BodyText.Printable([(byte)'a', 0xFF, (byte)'b']));

    [Theory]
    [InlineData("250ms", 250)]
    [InlineData("5s", 5_000)]
    [InlineData("2m", 120_000)]
    [InlineData("1d", 86_400_000)]
    public void A_duration_is_a_number_and_a_unit(string text, double milliseconds)
    {
        Assert.True(Durations.TryParse(text, out var value));
        Assert.Equal(milliseconds, value.TotalMilliseconds);
    }

    [Theory]
    [InlineData("5")]
    [InlineData("s")]
    [InlineData("-5s")]
    [InlineData("1.5s")]
    public void What_is_no_duration_is_none(string text) => Assert.False(Durations.TryParse(text, out _));

    private static ReceivedMessage Message(Address from, string text) =>
        new(1, 0, from, 1, 1, DateTimeOffset.UnixEpoch, false, Encoding.UTF8.GetBytes(text));

    private sealed class Clock : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = DateTimeOffset.UnixEpoch;

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
