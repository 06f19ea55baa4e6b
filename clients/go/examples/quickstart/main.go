// Command quickstart puts a new Zoom meeting on an event, reads the event back, and takes two
// refusals apart.
//
//	go run ./examples/quickstart [ADDRESS [REQUEST_ID]]
//
// `make run` serves on the default address. The same request_id again is the same request: it makes
// no second meeting, and its answer is the first one's.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	conferencingv1 "conferencing.internal/client/conferencing/v1"
)

const (
	grantID    = "google-demo"
	calendarID = "primary"
)

func main() {
	log.SetFlags(0)
	arguments := append(os.Args[1:], "", "")
	address := cmp.Or(arguments[0], os.Getenv("CONFERENCING_ADDRESS"), "127.0.0.1:50051")
	requestID := cmp.Or(arguments[1], uuid.NewString())
	if err := run(address, requestID); err != nil {
		log.Fatal(err)
	}
}

func run(address, requestID string) error {
	channel, err := grpc.NewClient(
		address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(conferencingv1.ServiceConfig),
	)
	if err != nil {
		return err
	}
	defer channel.Close()
	client := conferencingv1.NewConferencingServiceClient(channel)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()

	settings, err := structpb.NewStruct(map[string]any{"password": "demo42"})
	if err != nil {
		return err
	}
	created, err := client.CreateEvent(ctx, &conferencingv1.CreateEventRequest{
		GrantId:    grantID,
		CalendarId: calendarID,
		RequestId:  requestID,
		Event: &conferencingv1.Event{
			Title: "Planning",
			When:  when(),
			Conferencing: &conferencingv1.Conferencing{
				Provider: conferencingv1.Provider_PROVIDER_ZOOM_MEETING,
				Source: &conferencingv1.Conferencing_Autocreate{Autocreate: &conferencingv1.Autocreate{
					ConfGrantId:  "zoom-demo",
					ConfSettings: settings,
				}},
			},
		},
	})
	if err != nil {
		return err
	}

	read, err := client.GetEvent(ctx, &conferencingv1.GetEventRequest{
		GrantId:    grantID,
		CalendarId: calendarID,
		EventId:    created.GetEvent().GetId(),
	})
	if err != nil {
		return err
	}
	printDetails(read.GetEvent().GetConferencing())

	// Microsoft Teams cannot be autocreated on a Google calendar.
	err = refused(ctx, client, &conferencingv1.Event{
		Title: "Planning",
		When:  when(),
		Conferencing: &conferencingv1.Conferencing{
			Provider: conferencingv1.Provider_PROVIDER_MICROSOFT_TEAMS,
			Source:   &conferencingv1.Conferencing_Autocreate{Autocreate: &conferencingv1.Autocreate{}},
		},
	})
	if err != nil {
		return err
	}
	// An event needs a when.
	return refused(ctx, client, &conferencingv1.Event{Title: "Planning"})
}

func when() *conferencingv1.EventTime {
	start := time.Date(2030, time.January, 7, 14, 0, 0, 0, time.UTC)
	return &conferencingv1.EventTime{Kind: &conferencingv1.EventTime_Timespan{
		Timespan: &conferencingv1.Timespan{
			StartTime:     timestamppb.New(start),
			EndTime:       timestamppb.New(start.Add(time.Hour)),
			StartTimezone: "UTC",
			EndTimezone:   "UTC",
		},
	}}
}

func printDetails(conference *conferencingv1.Conferencing) {
	details := conference.GetDetails()
	fmt.Println("provider:", conference.GetProvider())
	fmt.Println("url:", details.GetUrl())
	fmt.Println("meeting_code:", details.GetMeetingCode())
	fmt.Println("password:", details.GetPassword())
}

func refused(
	ctx context.Context, client conferencingv1.ConferencingServiceClient, event *conferencingv1.Event,
) error {
	_, err := client.CreateEvent(ctx, &conferencingv1.CreateEventRequest{
		GrantId:    grantID,
		CalendarId: calendarID,
		RequestId:  uuid.NewString(),
		Event:      event,
	})
	if err == nil {
		return errors.New("the request was not refused")
	}
	failure := status.Convert(err)
	if len(failure.Details()) == 0 {
		return err
	}
	fmt.Println("code:", code.Code(failure.Code()))
	for _, detail := range failure.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			fmt.Println("reason:", detail.GetReason())
			for _, key := range slices.Sorted(maps.Keys(detail.GetMetadata())) {
				fmt.Println("metadata:", key, "=", detail.GetMetadata()[key])
			}
		case *errdetails.BadRequest:
			for _, violation := range detail.GetFieldViolations() {
				fmt.Printf("violation: %s: %s\n", violation.GetField(), violation.GetDescription())
			}
		case *conferencingv1.Verdict:
			fmt.Println("decision:", detail.GetDecision())
			fmt.Println("explanation:", detail.GetExplanation())
			for _, other := range detail.GetAlternatives() {
				fmt.Printf("alternative: %s %s: %s\n", other.GetProvider(), other.GetWay(), other.GetExplanation())
			}
		}
	}
	return nil
}
