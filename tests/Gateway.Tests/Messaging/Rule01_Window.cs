using Gateway.Protocol;
using Gateway.Simulation;
using Xunit;

namespace Gateway.Tests.Messaging;

/// <summary>Rule 1: 64 numbers above a low mark, each open, in flight or settled.</summary>
public class Rule01_Window : HomeTests
{
    [Theory]
    [MemberData(nameof(Homes))]
    public void A_resend_of_a_number_in_flight_waits_and_is_answered_once_by_the_first(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        var number = anna.Send(ben.Address, "once");
        net.Exchange();
        anna.Transmit(number);
        net.Exchange();
        Assert.Empty(anna.Accepted);

        net.Settle();
        Assert.Equal([number], anna.Accepted.Select(a => a.Number));
        Assert.Single(ben.Inbox);
        Assert.Equal(1, net.Store.Messages.Accepted);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_resend_of_a_settled_number_is_accepted_at_once_and_stored_no_second_time(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        var number = anna.Send(ben.Address, "once");
        net.Settle();
        var appended = net.Store.Appended;

        anna.Write(SendOf(ben, number, lowestOpen: number, "once"));
        net.Exchange();

        Assert.Equal([number, number], anna.Accepted.Select(a => a.Number));
        Assert.Equal(appended, net.Store.Appended);
        Assert.Single(ben.Inbox);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_refusal_reopens_the_number(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        net.Store.Admission = Gateway.Messaging.LogStatus.Full;
        var number = anna.Send(ben.Address, "no room yet");
        net.Settle();
        Assert.Equal(new Refused(number, RefusalReason.NodeFull, 1000), Assert.Single(anna.Refused));

        net.Store.Admission = Gateway.Messaging.LogStatus.Appended;
        anna.Transmit(number);
        net.Settle();
        Assert.Equal([number], anna.Accepted.Select(a => a.Number));
        Assert.Equal("no room yet", Assert.Single(ben.Inbox).Body);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void Sixty_four_numbers_may_be_open_and_the_next_is_an_error(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        for (var i = 0; i < Wire.WindowSize; i++) anna.Send(ben.Address, $"{i}");
        net.Exchange();
        Assert.True(anna.IsConnected);

        anna.Send(ben.Address, "one too many");
        net.Exchange();
        Assert.Equal(ErrorCode.WindowExceeded, Assert.Single(anna.Failures).Code);
        Assert.False(anna.IsConnected);

        net.Settle();
        Assert.Equal(64, ben.Inbox.Count);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void Only_the_lowest_open_number_moves_the_window_whatever_has_settled(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        for (var number = 1UL; number <= 64; number++) anna.Write(SendOf(ben, number, lowestOpen: 1, "x"));
        net.Settle();
        Assert.Equal(64, anna.Accepted.Count());

        // Everything has settled, and yet 65 lies beyond for a device that claims to wait for 1.
        anna.Write(SendOf(ben, 65, lowestOpen: 2, "moves the window by one"));
        net.Settle();
        Assert.Equal(65, anna.Accepted.Count());
        anna.Write(SendOf(ben, 66, lowestOpen: 1, "a lower claim moves nothing back or on"));
        net.Settle();
        Assert.Equal(ErrorCode.WindowExceeded, Assert.Single(anna.Failures).Code);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_number_below_the_window_has_an_unknown_outcome_and_is_not_stored(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        anna.Write(SendOf(ben, 10, lowestOpen: 10, "ten"));
        net.Settle();
        anna.Write(SendOf(ben, 9, lowestOpen: 9, "nine"));
        net.Settle();

        Assert.Equal(new Refused(9, RefusalReason.OutcomeUnknown, 0), Assert.Single(anna.Refused));
        Assert.Equal("ten", Assert.Single(ben.Inbox).Body);
        Assert.True(anna.IsConnected);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_number_given_up_while_in_flight_settles_nothing_but_arrives(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        anna.Write(SendOf(ben, 1, lowestOpen: 1, "given up"));
        anna.Write(SendOf(ben, 2, lowestOpen: 2, "kept"));
        net.Settle();

        Assert.Equal([2UL], anna.Accepted.Select(a => a.Number));
        Assert.Equal(["given up", "kept"], ben.Inbox.Select(d => d.Body));
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_jump_of_the_window_past_all_its_numbers_opens_it_afresh(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        anna.Write(SendOf(ben, 1, lowestOpen: 1, "a"));
        anna.Write(SendOf(ben, 1000, lowestOpen: 1000, "b"));
        anna.Write(SendOf(ben, 1063, lowestOpen: 1000, "c"));
        net.Settle();
        anna.Write(SendOf(ben, 1000, lowestOpen: 1000, "b"));
        net.Settle();

        Assert.Equal([1000UL, 1063UL, 1000UL], anna.Accepted.Select(a => a.Number));
        Assert.Equal(["a", "b", "c"], ben.Inbox.Select(d => d.Body));
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void What_can_never_be_sent_is_refused_finally_and_the_session_goes_on(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        var body = new byte[Wire.DefaultMaxBodyBytes + 1];
        anna.Write(Frame(new Address(AddressKind.Group, 42), 1, SendKind.Message, []));
        anna.Write(Frame(ben.Address, 2, SendKind.Message, body));
        anna.Write(Frame(ben.Address, 3, (SendKind)9, []));
        anna.Write(Frame(ben.Address, 4, SendKind.Read, new byte[15]));
        anna.Write(Frame(ben.Address, 5, SendKind.Read, new byte[8]));
        anna.Write(Frame(ben.Address, 6, SendKind.Read, new byte[8 + 8 * 65]));
        anna.Write(Frame(ben.Address, 7, SendKind.Read, [0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]));
        anna.Write(Frame(ben.Address, 8, SendKind.Message, body.AsSpan(1)));
        // A receipt of number 0 is none that a client could read: let through, it would come to the recipient for ever.
        anna.Write(Frame(ben.Address, 9, SendKind.Read, [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
        anna.Write(Frame(ben.Address, 10, SendKind.Read, [0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]));
        net.Settle();

        Assert.Equal(
            [
                (1, RefusalReason.UnsupportedRecipient), (2, RefusalReason.BodyTooLarge), (3, RefusalReason.UnsupportedKind), (4, RefusalReason.UnsupportedKind),
                (5, RefusalReason.UnsupportedKind), (6, RefusalReason.UnsupportedKind), (7, RefusalReason.UnsupportedKind),
                (9, RefusalReason.UnsupportedKind), (10, RefusalReason.UnsupportedKind),
            ],
            anna.Refused.Select(r => ((int)r.Number, r.Reason)));
        Assert.All(anna.Refused, r => Assert.Equal(0u, r.RetryAfterMs));
        Assert.Equal([8UL], anna.Accepted.Select(a => a.Number));
        Assert.Equal(Wire.DefaultMaxBodyBytes, Assert.Single(ben.Inbox).Body.Length);

        static byte[] Frame(Address to, ulong number, SendKind kind, ReadOnlySpan<byte> body)
        {
            var frame = new byte[SendFrame.FrameBytes(body.Length)];
            SendFrame.Write(frame, to, number, 1, 0, kind, body);
            return frame;
        }
    }
}
